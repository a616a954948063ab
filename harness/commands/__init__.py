"""One verb per file, add_arguments(parser) and run(arguments), and what they share: arguments, console, verdict."""
