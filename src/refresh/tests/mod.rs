//! Refreshing in simulated time.

mod outage;
