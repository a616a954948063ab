"""One verb per file: add_arguments(parser) and run(arguments). What they share: arguments, console, fields, verdict."""
