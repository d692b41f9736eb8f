"""The engine. It knows no task, method or metric by name."""
