"""One verb per file: add_arguments(parser) and run(arguments)."""
