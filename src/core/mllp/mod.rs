//! MLLP frames: bytes in, frames and fragments out (WIRE 1.1-1.4). Pure; the caller owns socket and clock.
