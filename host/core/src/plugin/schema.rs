//! Tools of plain components: JSON Schemas derived from WIT types.
