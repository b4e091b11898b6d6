//! The interface as an OpenRPC document.
