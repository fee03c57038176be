"""The screens, one module each; every route here needs a session."""
