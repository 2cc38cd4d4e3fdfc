//! The custom section `remit:plugin`: definitions and declared rights inside a component.
