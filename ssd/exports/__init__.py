"""A trained detector as a file for other runtimes: one module a format, and what checks each before it is written."""
