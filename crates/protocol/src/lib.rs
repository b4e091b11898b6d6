//! Types and codec of the wire format, its limits and its hashing. No I/O.
