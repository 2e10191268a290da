"""Solutions of the exercises of lesson 12."""

UNITS = [[(row, column) for column in range(6)] for row in range(6)]
UNITS += [[(row, column) for row in range(6)] for column in range(6)]
UNITS += [
    [(top + row, left + column) for row in range(2) for column in range(3)]
    for top in (0, 2, 4)
    for left in (0, 3)
]


def singles(board):
    candidates = {}
    for cell in [(row, column) for row in range(6) for column in range(6) if board[row, column] == 0]:
        seen = {board[other] for unit in UNITS if cell in unit for other in unit}
        candidates[cell] = set(range(1, 7)) - seen
    found = {cell: min(digits) for cell, digits in candidates.items() if len(digits) == 1}
    for unit in UNITS:
        for digit in range(1, 7):
            places = [cell for cell in unit if digit in candidates.get(cell, ())]
            if len(places) == 1:
                found[places[0]] = digit
    return found


def rounds(board):
    board, count = board.copy(), 0
    while (board == 0).any():
        found = singles(board)
        if not found:
            return None
        for cell, digit in found.items():
            board[cell] = digit
        count += 1
    return count
