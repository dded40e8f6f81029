"""Texts of YAML, TOML and HCL as trees with line numbers, and edits of such texts."""
