"""Three small sample tables."""

from pathlib import Path

ORDERS = """\
customer_id,product_id,order_date,rating
ann,kite,2024-01-05,5
ann,lamp,2024-02-01,4
ann,tent,2024-03-09,2
bob,lamp,2024-01-20,3
bob,kite,2024-04-02,5
cy,soap,2024-02-11,4
cy,tent,2024-05-01,5
dora,tent,2024-03-30,5
dora,soap,2024-06-07,4
eve,soap,2024-07-01,5
"""

ITEMS = """\
product_id,name,category,price,theme
kite,Red Kite,toys,19.50,outdoor|wind
lamp,Reading Lamp,home,45,books
soap,Olive Soap,bath,6.25,
tent,Small Tent,outdoor,120,outdoor|travel
"""

PEOPLE = """\
customer_id,age,sex,occupation
ann,34,F,teacher
bob,51,M,baker
cy,27,M,student
dora,65,F,teacher
eve,19,F,student
"""


def write_tables(
    folder: Path, orders: str | bytes = ORDERS, items: str | bytes = ITEMS, people: str | bytes = PEOPLE
) -> None:
    for name, content in (("orders.csv", orders), ("items.csv", items), ("people.csv", people)):
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
