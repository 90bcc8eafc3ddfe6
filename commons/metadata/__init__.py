"""Descriptions of datasets in the formats other tools read: one file a format, `read` and `write` a pair. Pure."""

FORMATS = ("croissant", "ro-crate", "datapackage", "dcat", "datacite", "citation", "bagit", "reuse")  # to write
