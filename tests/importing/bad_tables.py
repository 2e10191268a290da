"""Bad tables, each with one fault: the table that replaces a sample table, and the options."""

import re
from typing import Any

from tests.importing.sample_tables import ITEMS, ORDERS, PEOPLE

Case = tuple[dict[str, Any], list[str]]


def orders(old: str, new: str, *options: str) -> Case:
    return {"orders": changed(ORDERS, old, new)}, list(options)


def items(old: str, new: str, *options: str) -> Case:
    return {"items": changed(ITEMS, old, new)}, list(options)


def people(old: str, new: str, *options: str) -> Case:
    return {"people": changed(PEOPLE, old, new)}, list(options)


def changed(table: str, old: str, new: str) -> str:
    assert old in table
    return table.replace(old, new)


def mapped(*pairs: str) -> Case:
    return {}, [word for pair in pairs for word in ("--map", pair)]


HEADER = "customer_id,product_id,order_date,rating\n"
DATES = ("2024-01-05", "2024-02-01", "2024-03-09", "2024-01-20", "2024-04-02", "2024-02-11", "2024-05-01")


def dated(*dates: str, options: tuple[str, ...] = ()) -> Case:
    """The orders with their first dates replaced by these."""
    table = ORDERS
    for old, new in zip(DATES, dates, strict=False):
        table = changed(table, old, new)
    return {"orders": table}, list(options)


def all_slashed(*options: str) -> Case:
    """Dates that are all ambiguous: day/month or month/day."""
    rows = [line.split(",") for line in ORDERS.splitlines()[1:]]
    table = HEADER + "".join(
        f"{person},{item},0{1 + number % 9}/02/2024,{rating}\n"
        for number, (person, item, _, rating) in enumerate(rows)
    )
    return {"orders": table}, list(options)


CASES: dict[str, Case] = {
    # Formats
    "orders_empty": ({"orders": ""}, []),
    "orders_only_blank_lines": ({"orders": "\n \n\r\n"}, []),
    "orders_only_a_header": ({"orders": HEADER}, []),
    "items_empty": ({"items": b""}, []),
    "items_only_a_header": ({"items": ITEMS.splitlines()[0]}, []),
    "people_empty": ({"people": b""}, []),
    "orders_zip_or_excel": ({"orders": b"PK\x03\x04" + bytes(60)}, []),
    "orders_gzip": ({"orders": b"\x1f\x8b\x08" + bytes(60)}, []),
    "orders_database": ({"orders": b"SQLite format 3\0" + bytes(60)}, []),
    "orders_pdf": ({"orders": b"%PDF-1.7\n"}, []),
    "orders_json_list": ({"orders": '[{"customer_id": 1}]'}, []),
    "orders_broken_parquet": ({"orders": b"PAR1" + bytes(20)}, []),
    "orders_bytes_of_no_text": ({"orders": ORDERS.encode() + b"\x81\x8d\x8f"}, []),
    "items_zero_byte": ({"items": ITEMS.replace("Olive", "Ol\0ive")}, []),
    "orders_zero_bytes_only": ({"orders": bytes(40)}, []),
    "orders_utf_16_cut_off": ({"orders": ORDERS.encode("utf-16")[:-1]}, []),
    "orders_utf_8_mark_and_not_utf_8": ({"orders": b"\xef\xbb\xbf" + ORDERS.encode() + b"\xff\n"}, []),
    "orders_endless_line": ({"orders": HEADER + "x" * 1_000_001}, []),
    # Rows
    "row_short": orders("bob,kite,2024-04-02,5", "bob,kite"),
    "row_long": orders("bob,kite,2024-04-02,5", "bob,kite,2024-04-02,5,7"),
    "row_of_one_cell": items("lamp,Reading Lamp,home,45,books", "lamp"),
    "row_divided_by_another_sign": orders("cy,soap,2024-02-11,4", "cy;soap;2024-02-11;4"),
    "quotes_open": orders("cy,soap", 'cy,"soap'),
    "quotes_inside": items("Small Tent", '"Small" Tent'),
    "cell_huge": items("Olive Soap", "x" * 140_000),
    "cell_too_long_for_a_name": items("Olive Soap", "x" * 201),
    "cell_with_control_character": items("Olive Soap", "Olive\x1bSoap"),
    # Columns
    "no_person_column": orders("customer_id", "who"),
    "no_item_column": orders("product_id", "what"),
    "no_item_id_in_items": items("product_id", "what"),
    "no_person_column_in_people": people("customer_id", "who"),
    "no_header": ({"orders": ORDERS.partition("\n")[2]}, []),
    "column_twice": orders("order_date,rating", "rating,rating"),
    "header_in_one_cell": ({"orders": '"' + HEADER.strip() + '"\n'}, []),
    "columns_too_many": ({"orders": ",".join(f"c{number}" for number in range(10_001)) + "\n"}, []),
    "map_of_unknown_field": mapped("profile.hobby=sex"),
    "map_without_equals": mapped("profile.age"),
    "map_twice": mapped("profile.age=age", "profile.age=sex"),
    "map_of_unknown_column": mapped("profile.age=years"),
    "map_of_misspelt_column": mapped("profile.preferences=sex,ocupation"),
    "map_of_column_in_another_table": mapped("order.rating=price"),
    "map_turns_off_what_is_needed": mapped("order.person="),
    "map_of_text_as_age": mapped("profile.age=occupation"),
    "map_of_text_as_rating": mapped("order.rating=product_id"),
    "map_of_text_as_time": mapped("order.time=customer_id"),
    # Ids
    "order_without_person": orders("bob,kite", ",kite"),
    "order_without_item": orders("bob,kite", "bob, "),
    "item_without_id": items("soap,Olive", ",Olive"),
    "person_without_id": people("cy,27", '"",27'),
    "item_twice": items("soap,Olive Soap", "lamp,Olive Soap"),
    "item_twice_with_another_price": items("soap,", "lamp,Reading Lamp,home,46,books\nsoap,"),
    "person_twice": people("cy,27", "bob,27"),
    "no_item_known": (
        {"items": ITEMS.replace("kite", "1").replace("lamp", "2").replace("soap", "3").replace("tent", "4")},
        [],
    ),
    "two_items": ({"items": "".join(ITEMS.splitlines(keepends=True)[:3])}, []),
    # Numbers
    "age_as_text": people("51", "old"),
    "age_negative": people("51", "-1"),
    "age_of_nobody": people("51", "121"),
    "age_infinite": people("51", "inf"),
    "age_range_backwards": people("51", "54-45"),
    "age_as_date": people("51", "1973-02-01"),
    "price_as_text": items("19.50", "cheap"),
    "price_zero": items("19.50", "0"),
    "price_negative": items("19.50", "-19.50"),
    "price_beyond": items("19.50", "1000000000.5"),
    "price_infinite": items("19.50", "1e400"),
    "price_comma_of_two_meanings": items("19.50", '"1,950"'),
    "price_grouped_wrongly": items("19.50", '"19,5.0"'),
    "price_two_points": items("19.50", "1.9.50"),
    "price_underscore": items("19.50", "1_9"),
    "price_point_where_commas_divide": items("19.50", "19.50", "--decimal", ","),
    "currency_too_long": ({}, ["--currency", "pieces of eight"]),
    "price_in_words": items("19.50", "19.50 USD"),
    "rating_negative": orders("2024-04-02,5", "2024-04-02,-5"),
    "rating_as_stars": orders("2024-04-02,5", "2024-04-02,*****"),
    "rating_out_of_ten": orders("2024-04-02,5", "2024-04-02,10"),
    "item_rating_of_six": items(
        "theme", "rating", "--map", "item.tags=category", "--map", "item.rating=price"
    ),
    "quantity_as_text": orders("rating", "quantity", "--map", "order.quantity=product_id"),
    "quantity_infinite": ({"orders": ORDERS.replace("rating", "quantity").replace(",5", ",inf")}, []),
    "stock_negative": ({"items": ITEMS.replace("price", "stock").replace("45", "-45")}, []),
    # Times
    "time_missing": dated("2024-01-05", ""),
    "time_zero": dated("0"),
    "time_in_1970": dated("1970-01-01"),
    "time_in_the_future": dated("2999-01-01"),
    "time_in_words": dated("yesterday"),
    "time_31_february": dated("2024-02-31"),
    "time_month_13": dated("2024-13-01"),
    "time_hour_25": dated("2024-01-05 25:00"),
    "time_of_two_digits": dated("5.1.24"),
    "time_of_letters": dated("05-Jan-2024"),
    "time_slashed_both_ways": dated("25/01/2024", "01/25/2024"),
    "time_slashed_and_impossible": dated("32/13/2024"),
    "time_of_two_meanings": all_slashed(),
    "time_not_as_said": dated("25/01/2024", options=("--dates", "mdy")),
    "time_not_a_number": dated("nan"),
    # Too little data
    "one_person": ({"orders": HEADER + "ann,kite,2024-01-05,5\nann,lamp,2024-02-01,4\n"}, []),
    "three_people": ({"orders": "".join(ORDERS.splitlines(keepends=True)[:8])}, []),
    "nobody_likes_anything": ({}, ["--liked", "6"]),
    "all_returned": ({"orders": re.sub("[0-9]\n", "-1\n", ORDERS.replace("rating", "quantity"))}, []),
    "all_rows_bad": ({"orders": ORDERS.replace("2024", "24")}, ["--drop-bad"]),
    "nobody_has_so_many_orders": ({}, ["--min-orders", "9"]),
}
