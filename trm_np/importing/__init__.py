"""Convert tables of orders, items and people to the three files that training reads.

Read in this order: tables, columns, cells, reading, records, orders, splitting, documents, report, convert.
"""
