//! The front desk: authorise, route, place.
#![forbid(unsafe_code)]
