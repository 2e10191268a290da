"""An example of one's own data to start from: a plant nursery that advises people who give plants."""

SCENARIOS = """\
{
  "vocabulary": {
    "categories": ["succulent", "fern", "herb", "orchid", "bonsai"],
    "tools": ["price_comparison", "inventory_check", "budget_optimizer"],
    "hobbies": ["travel", "reading", "cooking", "tea", "painting", "meditation"],
    "preferences": ["forgetful", "patient", "fragrant", "tiny"],
    "relationships": ["neighbour", "aunt", "flatmate"],
    "occasions": ["birthday", "housewarming", "get_well"],
    "synonyms": {
      "hobbies": {"novel": "reading", "yoga": "meditation"},
      "relationships": {"roommate": "flatmate"}
    }
  },
  "scenarios": [
    {"name": "neighbour with a chair by the window",
     "profile": {"age": 45, "hobbies": ["reading", "tea"], "relationship": "neighbour", "budget": 25,
                 "occasion": "birthday", "preferences": ["patient"]},
     "expected_categories": ["fern", "herb"],
     "expected_tools": ["price_comparison", "budget_optimizer"]},
    {"name": "aunt at her easel",
     "profile": {"age": 63, "hobbies": ["painting"], "relationship": "aunt", "budget": 50,
                 "occasion": "birthday", "preferences": ["patient", "fragrant"]},
     "expected_categories": ["orchid", "fern"],
     "expected_tools": ["price_comparison", "inventory_check"]},
    {"name": "flatmate who is never at home",
     "profile": {"age": 24, "hobbies": ["travel"], "relationship": "flatmate", "budget": 20,
                 "occasion": "housewarming", "preferences": ["forgetful"]},
     "expected_categories": ["succulent", "fern"],
     "expected_tools": ["price_comparison", "budget_optimizer"]},
    {"name": "flatmate who cooks for ten",
     "profile": {"age": 27, "hobbies": ["cooking", "tea"], "relationship": "flatmate", "budget": 46,
                 "occasion": "birthday", "preferences": ["fragrant"]},
     "expected_categories": ["herb", "orchid"],
     "expected_tools": ["price_comparison", "inventory_check"]},
    {"name": "aunt with a cold and a novel",
     "profile": {"age": 70, "hobbies": ["reading"], "relationship": "aunt", "budget": 30,
                 "occasion": "get_well", "preferences": ["fragrant"]},
     "expected_categories": ["fern", "herb"],
     "expected_tools": ["inventory_check", "budget_optimizer"]},
    {"name": "neighbour who sits still",
     "profile": {"age": 52, "hobbies": ["meditation"], "relationship": "neighbour", "budget": 80,
                 "occasion": "housewarming", "preferences": ["patient", "tiny"]},
     "expected_categories": ["bonsai", "orchid"],
     "expected_tools": ["price_comparison", "inventory_check"]},
    {"name": "flatmate with one windowsill",
     "profile": {"age": 22, "hobbies": ["cooking", "travel"], "relationship": "flatmate", "budget": 15,
                 "occasion": "housewarming", "preferences": ["tiny", "forgetful"]},
     "expected_categories": ["herb", "succulent"],
     "expected_tools": ["price_comparison", "budget_optimizer"]},
    {"name": "neighbour whom nobody has met yet",
     "profile": {"relationship": "neighbour", "budget": 35, "occasion": "housewarming"},
     "expected_categories": ["succulent", "orchid"],
     "expected_tools": ["price_comparison", "inventory_check"]}
  ]
}
"""

HELD_OUT = """\
{
  "validation": [
    {"name": "aunt who sketches on trains",
     "profile": {"age": 58, "hobbies": ["painting", "travel"], "relationship": "aunt", "budget": 40,
                 "occasion": "birthday", "preferences": ["forgetful"]},
     "expected_categories": ["orchid", "succulent"],
     "expected_tools": ["price_comparison", "inventory_check"]},
    {"name": "flatmate on the mend",
     "profile": {"age": 25, "hobbies": ["tea", "reading"], "relationship": "flatmate", "budget": 22,
                 "occasion": "get_well", "preferences": ["fragrant"]},
     "expected_categories": ["herb", "fern"],
     "expected_tools": ["inventory_check", "budget_optimizer"]}
  ],
  "test": [
    {"name": "neighbour between two retreats",
     "profile": {"age": 39, "hobbies": ["meditation", "travel"], "relationship": "neighbour", "budget": 75,
                 "occasion": "birthday", "preferences": ["tiny"]},
     "expected_categories": ["bonsai", "succulent"],
     "expected_tools": ["price_comparison", "inventory_check"]},
    {"name": "aunt, age a secret",
     "profile": {"hobbies": ["cooking"], "relationship": "aunt", "budget": 18,
                 "occasion": "birthday", "preferences": ["fragrant"]},
     "expected_categories": ["herb", "fern"],
     "expected_tools": ["price_comparison", "budget_optimizer"]}
  ]
}
"""

CATALOGUE = """\
{
  "gifts": [
    {"id": "zebra_haworthia", "name": "Zebra Haworthia in a Thimble Pot", "category": "succulent",
     "price": 8, "rating": 4.4, "tags": ["travel", "forgetful", "tiny"], "age_range": [10, 95],
     "occasions": ["birthday", "housewarming", "get_well"],
     "offers": [{"seller": "Mossgate Nursery", "price": 8, "shipping_days": 2}],
     "stock": 60, "reviews": [1, 2, 8, 30, 49],
     "weekly_sales": [9, 11, 10, 12, 10, 11, 13, 12, 11, 12, 13, 12]},
    {"id": "desert_bowl", "name": "Desert Bowl of Five", "category": "succulent",
     "price": 32, "rating": 4.1, "tags": ["travel", "forgetful"], "age_range": [16, 95],
     "occasions": ["birthday", "housewarming"],
     "offers": [{"seller": "Mossgate Nursery", "price": 32, "shipping_days": 3},
                {"seller": "Fernham Stall", "price": 28, "shipping_days": 9}],
     "stock": 14, "reviews": [2, 3, 9, 20, 26],
     "weekly_sales": [4, 5, 4, 6, 5, 7, 7, 8, 9, 9, 11, 12]},
    {"id": "asparagus_fern", "name": "Asparagus Fern", "category": "fern",
     "price": 14, "rating": 4.1, "tags": ["reading", "forgetful"], "age_range": [16, 95],
     "occasions": ["birthday", "housewarming", "get_well"],
     "offers": [{"seller": "Fernham Stall", "price": 14, "shipping_days": 4},
                {"seller": "Mossgate Nursery", "price": 15.5, "shipping_days": 2}],
     "stock": 33, "reviews": [1, 2, 7, 19, 21],
     "weekly_sales": [6, 5, 7, 6, 6, 5, 7, 6, 6, 7, 5, 6]},
    {"id": "maidenhair_fern", "name": "Maidenhair Fern", "category": "fern",
     "price": 18, "rating": 3.8, "tags": ["reading", "patient"], "age_range": [20, 95],
     "occasions": ["birthday", "get_well"],
     "offers": [{"seller": "Fernham Stall", "price": 18, "shipping_days": 4}],
     "stock": 21, "reviews": [3, 4, 9, 14, 15],
     "weekly_sales": [8, 8, 7, 7, 6, 6, 6, 5, 5, 4, 4, 4]},
    {"id": "kitchen_trio", "name": "Basil, Thyme and Chives", "category": "herb",
     "price": 15, "rating": 4.4, "tags": ["cooking", "fragrant"], "age_range": [14, 95],
     "occasions": ["birthday", "housewarming"],
     "offers": [{"seller": "Mossgate Nursery", "price": 15, "shipping_days": 1},
                {"seller": "Green Barrow", "price": 12.5, "shipping_days": 6}],
     "stock": 80, "reviews": [1, 2, 6, 28, 53],
     "weekly_sales": [12, 13, 15, 14, 17, 18, 20, 19, 22, 24, 25, 27]},
    {"id": "tea_garden", "name": "Mint and Verbena Tea Garden", "category": "herb",
     "price": 11, "rating": 4.3, "tags": ["tea", "fragrant"], "age_range": [14, 95],
     "occasions": ["birthday", "housewarming", "get_well"],
     "offers": [{"seller": "Green Barrow", "price": 11, "shipping_days": 5}],
     "stock": 45, "reviews": [0, 2, 5, 15, 20],
     "weekly_sales": [7, 6, 8, 7, 8, 7, 9, 8, 7, 8, 9, 8]},
    {"id": "moth_orchid", "name": "White Moth Orchid", "category": "orchid",
     "price": 28, "rating": 4.3, "tags": ["painting", "patient"], "age_range": [18, 95],
     "occasions": ["birthday", "housewarming", "get_well"],
     "offers": [{"seller": "Mossgate Nursery", "price": 28, "shipping_days": 3},
                {"seller": "Green Barrow", "price": 25, "shipping_days": 8}],
     "stock": 17, "reviews": [1, 3, 6, 22, 38],
     "weekly_sales": [10, 9, 11, 10, 10, 12, 11, 10, 11, 12, 11, 11]},
    {"id": "vanilla_orchid", "name": "Climbing Vanilla Orchid", "category": "orchid",
     "price": 45, "rating": 4.5, "tags": ["painting", "cooking", "fragrant"], "age_range": [18, 95],
     "occasions": ["birthday"],
     "offers": [{"seller": "Green Barrow", "price": 45, "shipping_days": 14}],
     "stock": 0, "reviews": [0, 0, 1, 3, 7],
     "weekly_sales": [1, 2, 1, 2, 2, 3, 2, 3, 3, 4, 3, 4]},
    {"id": "juniper_bonsai", "name": "Seven-Year Juniper Bonsai", "category": "bonsai",
     "price": 60, "rating": 4.5, "tags": ["meditation", "patient", "tiny"], "age_range": [25, 95],
     "occasions": ["birthday", "housewarming"],
     "offers": [{"seller": "Fernham Stall", "price": 60, "shipping_days": 5},
                {"seller": "Mossgate Nursery", "price": 66, "shipping_days": 2}],
     "stock": 4, "reviews": [0, 1, 3, 9, 20],
     "weekly_sales": [2, 1, 2, 2, 1, 3, 2, 2, 3, 2, 2, 3]}
  ]
}
"""

README = """\
# A plant nursery: an example to start from

A nursery wants to advise people who give plants. These three files are all that a model learns from. Change
them into yours: other names, other gifts, more scenarios. Eight show the form, and teach a model little: with a
few dozen, and as many held out, the figures begin to mean something.

| file | holds |
|---|---|
| `scenarios.json` | the vocabulary, and the scenarios to train on |
| `held_out_scenarios.json` | what training never sees: `validation` decides when to stop, `test` is reported |
| `gift_catalog.json` | the gifts: at least three, and at least one in every expected category |

## Vocabulary

Six lists of names; scenarios and gifts may use no others. Their order is part of the data: train again after
changing it. A list that is left out is that of the data shipped with the program.

| list | here |
|---|---|
| `categories` | the kinds of gift to choose among |
| `tools` | those of the five below that you want used |
| `hobbies`, `preferences` | what people love doing, and how they like things; both also serve as tags of gifts |
| `relationships`, `occasions` | who receives the gift, and when |

`synonyms` are other words that people use for hobbies, preferences, relationships and occasions:
whoever asks for a "roommate" means a flatmate. They are optional, and what is learned does not
depend on them. A word and its plural are one.

The five tools: `price_comparison`, `inventory_check`, `review_analysis`, `trend_analysis`, `budget_optimizer`.

## A scenario

| field | meaning |
|---|---|
| `name` | yours, to recognize it by; each once in a file |
| `profile` | the person who receives the gift, with the fields below; leave out what is not known |
| `profile.age` | in years, 0 to 120 |
| `profile.hobbies`, `profile.preferences` | lists of names; their order means nothing |
| `profile.relationship`, `profile.occasion` | one name each |
| `profile.budget` | the most that the giver wants to spend, in the currency of the catalogue |
| `profile.history` | the ids of gifts that the person has already |
| `expected_categories` | where a thoughtful friend would look first; two or three work well |
| `expected_tools` | the tools that help this giver most; two work well |
| `chosen` | ids of gifts that were bought or liked: a list, or an object with a weight for each, `{"desert_bowl": 2}` |
| `rejected` | ids of gifts that were shown and not wanted |

One of `expected_categories`, `expected_tools` and `chosen` is needed. What is not given is not
learned from that scenario, nor judged by it.

## A gift

Only `id`, `name` and `category` are needed. What is not known of a gift, left out or `null`, speaks
neither for it nor against it. `"currency": "€"` beside `gifts` is what stands before each sum; `$` if there is none.

| field | meaning |
|---|---|
| `id`, `name` | `id` is unique; `name` is what people read |
| `category` | one name |
| `price` | the list price |
| `rating` | the mean of its reviews, from 1 to 5 |
| `tags` | hobbies and preferences that it suits |
| `age_range` | the youngest and the oldest age that it suits |
| `occasions` | those that it suits |
| `offers` | at least one: `seller`, `price`, and `shipping_days` until it arrives |
| `stock` | pieces left; 0 is sold out |
| `reviews` | how many gave 1, 2, 3, 4 and 5 stars |
| `weekly_sales` | pieces sold in each of the last 12 weeks, oldest first |

A hobby that is a tag of at least half the gifts of a category counts as pointing to that category.

## What to run next, in this folder

```sh
trm-train --scenarios scenarios.json --held-out held_out_scenarios.json --catalogue gift_catalog.json --out model
trm evaluate model/best.npz --held-out held_out_scenarios.json
trm recommend model/best.npz --age 29 --hobby cooking --relationship flatmate --occasion housewarming --budget 20
```

A mistake in a file is answered by one line that says where it is and what is allowed there.
"""

FILES = {
    "README.md": README,
    "scenarios.json": SCENARIOS,
    "held_out_scenarios.json": HELD_OUT,
    "gift_catalog.json": CATALOGUE,
}
