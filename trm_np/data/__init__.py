"""From files to arrays.

Read in this order: records, vocabulary, problems, strict_json, schema, load, tables, augment.
"""
