"""Why a model is not exported."""


class ExportError(ValueError):
    """The model cannot be had in this form."""


class ExtraMissing(OSError):
    """A package that an extra brings is not there."""
