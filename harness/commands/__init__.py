"""One verb per file: add_arguments(parser) and run(arguments). They share arguments, console, fields, verdict."""
