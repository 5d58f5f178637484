//! What the gateway counts.

use forebay_env::metrics::{Counter, Gauge, Kind, MetricsText};

use crate::admission::Refused;
use crate::end::{END_NAMES, End};

/// Why the socket of a connection is not being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// The client does not read what is written.
    Backlog,
    /// The session wants no bytes: its client has as many requests open as it may.
    Requests,
    /// The node's byte budget is spent.
    Memory,
}

impl Pause {
    const ALL: [Pause; 3] = [Pause::Backlog, Pause::Requests, Pause::Memory];

    fn name(self) -> &'static str {
        match self {
            Pause::Backlog => "write_backlog_bytes_max",
            Pause::Requests => "requests_open_max",
            Pause::Memory => "memory",
        }
    }
}

/// Counters of one gateway.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub protocols: Vec<ProtocolMetrics>,
    refused: [Counter; Refused::ALL.len()],
    pauses: [Counter; Pause::ALL.len()],
    pub accept_errors: Counter,
    pub reads: Counter,
    pub writes: Counter,
    pub calls: Counter,
    pub wakeups: Counter,
    pub reply_batches: Counter,
    pub replies: Counter,
    pub replies_dropped: Counter,
}

/// Counters of the connections of one protocol.
#[derive(Debug)]
pub(crate) struct ProtocolMetrics {
    name: &'static str,
    pub open: Gauge,
    pub accepted: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    ends: [Counter; END_NAMES.len()],
}

impl ProtocolMetrics {
    fn new(name: &'static str) -> ProtocolMetrics {
        ProtocolMetrics {
            name,
            open: Gauge::new(),
            accepted: Counter::new(),
            bytes_in: Counter::new(),
            bytes_out: Counter::new(),
            ends: [const { Counter::new() }; END_NAMES.len()],
        }
    }

    pub(crate) fn count_end(&self, end: &End) {
        self.ends[end.index()].increment();
    }
}

impl Metrics {
    pub(crate) fn new(protocols: impl Iterator<Item = &'static str>) -> Metrics {
        Metrics {
            protocols: protocols.map(ProtocolMetrics::new).collect(),
            refused: [const { Counter::new() }; Refused::ALL.len()],
            pauses: [const { Counter::new() }; Pause::ALL.len()],
            accept_errors: Counter::new(),
            reads: Counter::new(),
            writes: Counter::new(),
            calls: Counter::new(),
            wakeups: Counter::new(),
            reply_batches: Counter::new(),
            replies: Counter::new(),
            replies_dropped: Counter::new(),
        }
    }

    pub(crate) fn count_refused(&self, why: Refused) {
        self.refused[why as usize].increment();
    }

    pub(crate) fn count_pause(&self, why: Pause) {
        self.pauses[why as usize].increment();
    }

    /// Writes everything. The number of series depends on the number of protocols alone.
    pub(crate) fn write(&self, out: &mut MetricsText) {
        self.write_connections(out);
        self.write_traffic(out);
        self.write_replies(out);
    }

    fn write_connections(&self, out: &mut MetricsText) {
        let mut open = out.family("forebay_gateway_connections_open", "Connections now.", Kind::Gauge);
        for p in &self.protocols {
            open.sample(&[("protocol", p.name)], &p.open);
        }
        let mut accepted = out.family(
            "forebay_gateway_connections_accepted_total",
            "Connections that were let in.",
            Kind::Counter,
        );
        for p in &self.protocols {
            accepted.sample(&[("protocol", p.name)], &p.accepted);
        }
        let mut refused = out.family(
            "forebay_gateway_connections_refused_total",
            "Connections that were closed at once, by the limit that was reached.",
            Kind::Counter,
        );
        for why in Refused::ALL {
            refused.sample(&[("reason", why.name())], &self.refused[why as usize]);
        }
        let mut closed = out.family(
            "forebay_gateway_connections_closed_total",
            "Connections that ended, by reason.",
            Kind::Counter,
        );
        for p in &self.protocols {
            for (reason, count) in END_NAMES.iter().zip(&p.ends) {
                closed.sample(&[("protocol", p.name), ("reason", reason)], count);
            }
        }
        out.counter(
            "forebay_gateway_accept_errors_total",
            "Times that accepting failed, for want of descriptors for example.",
            &self.accept_errors,
        );
    }

    fn write_traffic(&self, out: &mut MetricsText) {
        let mut bytes_in = out.family("forebay_gateway_bytes_read_total", "Bytes read.", Kind::Counter);
        for p in &self.protocols {
            bytes_in.sample(&[("protocol", p.name)], &p.bytes_in);
        }
        let mut bytes_out =
            out.family("forebay_gateway_bytes_written_total", "Bytes written.", Kind::Counter);
        for p in &self.protocols {
            bytes_out.sample(&[("protocol", p.name)], &p.bytes_out);
        }
        out.counter("forebay_gateway_reads_total", "Reads that brought bytes.", &self.reads);
        out.counter("forebay_gateway_writes_total", "Writes that took bytes.", &self.writes);
        let mut pauses = out.family(
            "forebay_gateway_read_pauses_total",
            "Times that a connection was not read for a while, by reason.",
            Kind::Counter,
        );
        for why in Pause::ALL {
            pauses.sample(&[("reason", why.name())], &self.pauses[why as usize]);
        }
    }

    fn write_replies(&self, out: &mut MetricsText) {
        out.counter("forebay_gateway_calls_total", "Requests handed to the front desk.", &self.calls);
        out.counter("forebay_gateway_replies_total", "Replies from the front desk.", &self.replies);
        out.counter(
            "forebay_gateway_reply_batches_total",
            "Batches in which the replies came.",
            &self.reply_batches,
        );
        out.counter(
            "forebay_gateway_wakeups_total",
            "Times that a gateway thread was woken for work from another thread.",
            &self.wakeups,
        );
        out.counter(
            "forebay_gateway_replies_dropped_total",
            "Replies whose connection was gone.",
            &self.replies_dropped,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_series() {
        let metrics = Metrics::new(["toy"].into_iter());
        Refused::ALL.iter().for_each(|why| metrics.count_refused(*why));
        Pause::ALL.iter().for_each(|why| metrics.count_pause(*why));
        metrics.protocols[0].count_end(&End::Cut);
        let mut out = MetricsText::new(0);
        metrics.write(&mut out);
        let text = out.finish();
        for line in [
            "forebay_gateway_connections_refused_total{reason=\"connections_max\"} 1",
            "forebay_gateway_connections_refused_total{reason=\"connections_per_peer_max\"} 1",
            "forebay_gateway_connections_refused_total{reason=\"draining\"} 1",
            "forebay_gateway_read_pauses_total{reason=\"memory\"} 1",
            "forebay_gateway_connections_closed_total{protocol=\"toy\",reason=\"cut\"} 1",
            "forebay_gateway_connections_closed_total{protocol=\"toy\",reason=\"drained\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
