//! From the kernel's records, one a table, to one count a process.

use std::collections::HashMap;

use kerno_ebpf_common::fd::Table;

use super::track::Count;
use crate::platform::process;

/// One count a process. A process whose threads have tables of their own counts them all.
pub fn counts(records: impl IntoIterator<Item = Table>) -> Vec<Count> {
    let (own, of_threads): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| record.tid == record.tgid);
    let mut counts: Vec<_> = own.into_iter().map(count).collect();
    if !of_threads.is_empty() {
        add_threads(&mut counts, of_threads);
    }
    counts
}

/// Adds tables that are not their process's, which few threads have.
fn add_threads(counts: &mut Vec<Count>, records: Vec<Table>) {
    // Per process: where its count is, and its tables.
    let mut by_process: HashMap<u32, (usize, Vec<u64>)> =
        counts.iter().enumerate().map(|(index, count)| (count.pid, (index, count.table.into_iter().collect()))).collect();
    for record in records {
        if let Some((index, tables)) = by_process.get_mut(&record.tgid) {
            if let Some(known) = counts.get_mut(*index)
                && !tables.contains(&record.table)
            {
                tables.push(record.table);
                known.open = known.open.zip(open(&record)).map(|(sum, more)| sum.saturating_add(more));
            }
            continue;
        }
        by_process.insert(record.tgid, (counts.len(), vec![record.table]));
        counts.push(count(record));
    }
}

fn open(record: &Table) -> Option<u64> {
    (record.torn == 0).then_some(u64::from(record.open))
}

fn count(record: Table) -> Count {
    Count {
        pid: record.tgid,
        // In the steps in which `/proc` tells it: the same process has the same start everywhere.
        start_ns: record.start_ns - record.start_ns % process::ticks_ns(1),
        comm: record.comm,
        group: Some(record.group),
        table: Some(record.table),
        limit: Some(record.limit),
        open: open(&record),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tgid: u32, tid: u32, table: u64, open: u32) -> Table {
        Table { start_ns: 1, group: 2, table, limit: 1024, tgid, tid, open, torn: 0, comm: [0; 16] }
    }

    #[test]
    fn a_threads_own_table_is_its_processes_and_the_same_table_counts_once() {
        let records =
            [record(1, 1, 100, 5), record(2, 2, 200, 7), record(1, 11, 101, 3), record(1, 12, 100, 5), record(1, 13, 101, 3)];
        let told: Vec<_> = counts(records).into_iter().map(|count| (count.pid, count.open)).collect();
        assert_eq!(told, [(1, Some(8)), (2, Some(7))]);
    }

    #[test]
    fn a_torn_record_is_no_count() {
        let records =
            [Table { torn: 1, ..record(1, 1, 100, 5) }, record(2, 2, 200, 7), Table { torn: 1, ..record(2, 21, 201, 1) }];
        assert!(counts(records).iter().all(|count| count.open.is_none()));
    }

    #[test]
    fn records_are_read_from_bytes_of_any_alignment() {
        let first = record(7, 7, 9, 4);
        let mut bytes = vec![0; 1 + 2 * size_of::<Table>() + 5];
        for (index, record) in [first, Table { tgid: 8, ..first }].into_iter().enumerate() {
            let fields = [record.start_ns, record.group, record.table, record.limit].map(u64::to_ne_bytes).concat();
            let words = [record.tgid, record.tid, record.open, record.torn].map(u32::to_ne_bytes).concat();
            let record = [fields, words, record.comm.to_vec()].concat();
            bytes[1 + index * record.len()..][..record.len()].copy_from_slice(&record);
        }
        let told: Vec<_> = Table::all(&bytes[1..]).collect();
        assert_eq!(told, [first, Table { tgid: 8, ..first }]);
    }
}
