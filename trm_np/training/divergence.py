"""The error that ends training at the first number that is not finite."""


class Diverged(ArithmeticError):
    """A number that must be finite is not; it has changed no weight."""

    def __init__(self, what: str, value: float, epoch: int, step: int) -> None:
        super().__init__(f"training diverged: {what} is {value} in epoch {epoch}, step {step}")
