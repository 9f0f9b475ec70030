//! `/proc/<pid>/net/snmp` and `netstat`: pairs of lines, one of names and one of numbers.

use std::collections::HashMap;

use kerno_signals::NamespaceTotals;

/// The counters of one group by name; `None` when the text has no such group. A number below zero (`MaxConn`) is left out.
fn group<'a>(text: &'a str, name: &str) -> Option<HashMap<&'a str, u64>> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let pairs = names.split_whitespace().zip(numbers.split_whitespace());
    Some(pairs.filter_map(|(name, number)| Some((name, number.parse().ok()?))).collect())
}

/// What is told of the texts of `snmp` and `netstat`; `None` when the former has no counters of TCP.
pub fn totals(snmp: &str, netstat: &str) -> Option<NamespaceTotals> {
    let tcp = group(snmp, "Tcp")?;
    let extended = group(netstat, "TcpExt").unwrap_or_default();
    let basic = |name: &str| tcp.get(name).copied().unwrap_or(0);
    let more = |name: &str| extended.get(name).copied().unwrap_or(0);
    Some(NamespaceTotals {
        out_segments: basic("OutSegs"),
        retransmitted: basic("RetransSegs"),
        resets_sent: basic("OutRsts"),
        active_opens: basic("ActiveOpens"),
        passive_opens: basic("PassiveOpens"),
        attempt_fails: basic("AttemptFails"),
        established_resets: basic("EstabResets"),
        in_errors: basic("InErrs"),
        syn_retransmitted: more("TCPSynRetrans"),
        listen_overflows: more("ListenOverflows"),
        listen_drops: more("ListenDrops"),
        syn_queue_drops: more("TCPReqQFullDrop"),
        loss_probes: more("TCPLossProbes"),
        // One report may name several segments; kernels before 5.9 count the reports alone.
        duplicates_reported: extended.get("TCPDSACKRecvSegs").copied().unwrap_or_else(|| more("TCPDSACKRecv")),
        lost_retransmitted: more("TCPLostRetransmit"),
        timeouts: more("TCPTimeouts"),
        backlog_drops: more("TCPBacklogDrop"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNMP: &str = "Ip: Forwarding DefaultTTL\nIp: 1 64\n\
        Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n\
        Tcp: 1 200 120000 -1 11 12 13 14 15 16 17 18 19 20 0\n";

    #[test]
    fn names_and_numbers_are_paired() {
        let netstat = "TcpExt: SyncookiesSent ListenOverflows TCPSynRetrans TCPLossProbes TCPDSACKRecv\nTcpExt: 0 3 4 5 6\nIpExt: A\nIpExt: 1\n";
        let totals = totals(SNMP, netstat).unwrap();
        assert_eq!(
            (totals.active_opens, totals.passive_opens, totals.attempt_fails, totals.established_resets),
            (11, 12, 13, 14)
        );
        assert_eq!((totals.out_segments, totals.retransmitted, totals.in_errors, totals.resets_sent), (17, 18, 19, 20));
        assert_eq!((totals.listen_overflows, totals.syn_retransmitted), (3, 4));
        assert_eq!((totals.loss_probes, totals.duplicates_reported, totals.timeouts), (5, 6, 0));
    }

    #[test]
    fn duplicates_are_segments_where_the_kernel_counts_them() {
        let netstat = "TcpExt: TCPDSACKRecv TCPDSACKRecvSegs\nTcpExt: 6 9\n";
        assert_eq!(totals(SNMP, netstat).unwrap().duplicates_reported, 9);
    }

    #[test]
    fn an_absent_group_is_none() {
        assert_eq!(totals("Ip: A\nIp: 1\n", SNMP), None);
        assert_eq!(totals(SNMP, "").unwrap().syn_retransmitted, 0);
        assert_eq!(group("Tcp: OutSegs\n", "Tcp"), None);
        assert_eq!(group("TcpExt: A\nTcpExt: 1\n", "Tcp"), None);
    }
}
