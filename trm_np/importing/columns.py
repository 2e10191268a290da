"""Find the column of each field, by its usual names or by a `--map` option."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from trm_np.config import ConfigError, one_of
from trm_np.data.problems import Place
from trm_np.importing.tables import Table
from trm_np.text import listed, printable

PERSON = (
    "user userid uid customer customerid customerno client clientid person personid member memberid buyer buyerid "
    "household householdid account accountid reviewer reviewerid visitor visitorid"
)
ITEM = (
    "item itemid iid product productid productno sku asin article articleid articleno stockcode gift giftid movie "
    "movieid book bookid isbn track trackid"
)

# The fields of each table, and the usual names of their columns without case, spaces and punctuation. The first name
# that a table has wins.
USUAL: dict[str, dict[str, tuple[str, ...]]] = {
    table: {field: tuple(names.split()) for field, names in fields.items()}
    for table, fields in {
        "orders": {
            "order.person": PERSON,
            "order.item": ITEM,
            "order.time": "timestamp transactiontimestamp time date datetime orderdate ordertime orderedat createdat "
            "purchasedate invoicedate reviewtime unixtime day",
            "order.rating": "rating stars score overall",
            "order.quantity": "quantity qty pieces units",
        },
        "items": {
            "item.id": f"id {ITEM}",
            "item.name": "name title itemname itemtitle productname producttitle movietitle booktitle",
            "item.category": "category categoryname productcategory department departmentname class classname genre",
            "item.tags": "tags genres keywords labels",
            "item.price": "price unitprice listprice",
            "item.rating": "rating averagerating meanrating stars",
            "item.stock": "stock instock inventory",
            "item.occasions": "occasions",
        },
        "people": {
            "profile.person": f"id {PERSON}",
            "profile.age": "age customerage userage",
            "profile.hobbies": "hobbies hobby interests interest",
            "profile.preferences": "preferences sex gender occupation job profession",
            "profile.relationship": "relationship",
            "profile.occasion": "occasion",
            "profile.budget": "budget maxprice",
        },
    }.items()
}
FIELDS = tuple(field for fields in USUAL.values() for field in fields)
MOST_USUAL = 6  # names that an error shows
# Fields that may have several columns, or several names in a cell.
SEVERAL = ("item.tags", "item.occasions", "profile.hobbies", "profile.preferences")
NEEDED = {"orders": ("order.person", "order.item"), "items": ("item.id",), "people": ("profile.person",)}


@dataclass(frozen=True)
class Column:
    """The column of a field."""

    field: str
    name: str
    position: int


def parse_map(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Parse texts such as `field=column`, or `field=a,b` for several columns. An empty column turns the field off.

    Raises ConfigError.
    """
    mapped: dict[str, tuple[str, ...]] = {}
    for text in texts:
        field, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise ConfigError(printable(f"--map {text}: not of the form field=column"))
        one_of(field, FIELDS, "--map")
        if field in mapped:
            raise ConfigError(f"--map {field}: given more than once")
        names = value.split(",") if field in SEVERAL else [value]
        mapped[field] = tuple(name.strip() for name in names if name.strip())
    return mapped


def find_columns(tables: Mapping[str, Table], mapped: Mapping[str, Sequence[str]]) -> dict[str, list[Column]]:
    """Find the columns to read, by table. Raises `DataError` if a needed one is missing.

    Orders may have profile fields too. Each column serves one field; a mapped column serves only the field that it is
    mapped to.
    """
    found: dict[str, list[Column]] = {}
    for kind, table in tables.items():
        fields = dict(USUAL[kind])
        if kind == "orders":
            people = tables.get("people")
            fields |= {
                field: names
                for field, names in USUAL["people"].items()
                if field != "profile.person"
                and (people is None or not columns_of(people, field, names, mapped))
            }
        taken = {name for field in fields for name in mapped.get(field, ())}
        if kind == "items" and table.file == tables["orders"].file:
            taken |= {column.name for column in found["orders"] if column.field != "order.item"}
        found[kind] = []
        for field, names in fields.items():
            others = () if field in NEEDED[kind] else taken
            for column in columns_of(table, field, names, mapped, others):
                taken.add(column.name)
                found[kind].append(column)
        refuse_missing(kind, table, found[kind], mapped)
    refuse_unfound(tables, found, mapped)
    return found


def columns_of(
    table: Table,
    field: str,
    names: Sequence[str],
    mapped: Mapping[str, Sequence[str]],
    taken: Collection[str] = (),
) -> list[Column]:
    """The columns of a field: the mapped ones that the table has, or those with its usual names."""
    if field in mapped:
        chosen = [name for name in mapped[field] if name in table.columns]
    else:
        usual = {plain(name): name for name in reversed(table.columns) if name not in taken}
        chosen = [usual[name] for name in names if name in usual]
        chosen = chosen if field in SEVERAL else chosen[:1]
    return [Column(field, name, unique_position(table, name)) for name in chosen]


def unique_position(table: Table, name: str) -> int:
    """The position of a column. Raises `DataError` if two columns have the name."""
    if table.columns.count(name) > 1:
        found = f'the column "{name}" more than once'
        raise Place(table.file, "line 1").error(found, "each column once")
    return table.columns.index(name)


def plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def refuse_missing(
    kind: str, table: Table, found: Sequence[Column], mapped: Mapping[str, Sequence[str]]
) -> None:
    """Raise `DataError` if the table lacks a column for a field that it needs."""
    for field in NEEDED[kind]:
        if not any(column.field == field for column in found) and not mapped.get(field):
            names = ", ".join(USUAL[kind][field][:MOST_USUAL])
            allowed = f"a column with a usual name, such as {names}, or --map {field}=COLUMN"
            message = f"no column for {field} among {listed(table.columns)}"
            raise Place(table.file).error(message, allowed)


def refuse_unfound(
    tables: Mapping[str, Table],
    found: Mapping[str, Sequence[Column]],
    mapped: Mapping[str, Sequence[str]],
) -> None:
    """Raise `DataError` for a mapped column that is in no table with its field."""
    for field, names in mapped.items():
        own = [kind for kind in tables if field in USUAL[kind]]
        kinds = own + ["orders"] * field.startswith("profile.")  # the table of people first, if there is one
        present = {column.name for kind in kinds for column in found[kind] if column.field == field}
        for name in names:
            if name not in present:
                file, columns = tables[kinds[0]].file, tables[kinds[0]].columns
                message = f'no column "{name}", which --map {field} asks for'
                raise Place(file).error(message, listed(columns), name, columns)
