"""From files to arrays.

Read in this order: records, spelling, words, money, vocabulary, problems, strict_json, schema, load, tables,
augment, lenient.
"""
