//! Node-API surface.
