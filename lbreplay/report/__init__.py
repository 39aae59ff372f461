"""How results are shown: tables for people (rich), documents for programs (JSON, CSV)."""
