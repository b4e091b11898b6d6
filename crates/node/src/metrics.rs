//! Figures of a running node, for Prometheus.
