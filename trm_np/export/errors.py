"""Why a model is not exported."""


class ExportError(ValueError):
    """The model cannot be had in this form."""
