//! Kills of the kernel's out-of-memory killer. Hooks: `tp_btf/mark_victim`, and entry and exit of `oom_kill_process` and
//! `__oom_kill_process`, which know whose memory was short; kernels from 5.8 with BTF.

mod before;
mod decode;
pub mod fallback;
mod hooks;
mod ledger;
mod marks;

use kerno_ebpf_common::oom::{Counters, Kill};
use kerno_signals::{CollectorReport, Families};

use super::{
    Collector, Failure, Moment, Proof,
    context::{Context, StartError},
    groups::Controlled,
    load_error::Explained,
    loader::Object,
    report::{self, Counted},
    running::explained,
};
use crate::platform::{Root, cgroup::Names, oom};
use before::Before;
use decode::Decoder;
use ledger::Ledger;
use marks::Marks;

/// The collector's name everywhere.
pub const NAME: &str = "oom";

/// The running collector.
pub struct OomCollector {
    root: Root,
    object: Object,
    decoder: Decoder,
    ledger: Ledger,
    account: Account,
    /// Which of the marks are kills, where the programs do not know.
    marks: Option<Marks>,
    before: Before,
    /// Why whose memory was short is not known.
    no_case: Option<Explained>,
    /// Why the last tick could not read what it should.
    error: Option<Failure>,
}

impl OomCollector {
    /// Loads and attaches the programs; kills are seen from then on.
    ///
    /// # Errors
    ///
    /// When this host does not allow it.
    pub fn start(context: &Context, names: Option<&Names>) -> Result<Self, StartError> {
        let root = context.root.clone();
        let memory_v1 = oom::is_v1(&root);
        let (object, no_case) = hooks::attach(context, memory_v1)?;
        // In this order: a kill in between is one too many seen, not one too few.
        let counters = object.get("COUNTERS", 0)?;
        let account = Account { start: (counters, oom::kills(&root)?), is_exact: no_case.is_none(), ..Account::default() };
        let groups = (account.start.1 > 0).then(|| Controlled::find(&root, "memory", names));
        let before = Before::read(&root, account.start.1, groups.as_ref().and_then(|groups| groups.names(names)));
        let decoder = Decoder { same_hierarchy: !memory_v1 && !context.cgroup_v1, page: rustix::param::page_size() as u64 };
        Ok(Self {
            root,
            object,
            decoder,
            ledger: Ledger::default(),
            account,
            marks: no_case.is_some().then(Marks::default),
            before,
            no_case: no_case.map(|error| explained(&error)),
            error: None,
        })
    }

    fn read(&mut self, moment: &Moment<'_>) -> Result<(), Failure> {
        // The kernel's count first: what is killed after it is not missing.
        let counted = oom::kills(&self.root)?;
        let counters: Counters = self.object.get("COUNTERS", 0)?;
        let records = self.object.ring("KILLS")?;
        let kills = records.iter().filter_map(|bytes| Kill::read(bytes));
        let mut kills: Vec<_> = kills.map(|kill| self.decoder.kill(&kill, moment.names)).collect();
        self.account.note(&counters, counted);
        if let Some(marks) = &mut self.marks {
            // What was marked by now has been counted by now.
            let most = oom::kills(&self.root).unwrap_or(counted).saturating_sub(self.account.start.1);
            self.account.most = most;
            kills = marks.kills(kills, most);
        }
        kills.into_iter().for_each(|kill| self.ledger.note(kill));
        Ok(())
    }
}

/// The kernel's own count beside what the programs saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Account {
    /// The programs' counts and the kernel's at the start.
    start: (Counters, u64),
    /// Kills of which it is known whether the kernel counts them twice.
    is_exact: bool,
    /// Kills seen; where it is not known which marks are kills, all marks.
    seen: u64,
    /// What the kernel had counted when the marks were read, where it is not known which of them are kills: there were never more.
    most: u64,
    /// Kills that the kernel counted, without those that it counted twice.
    counted: u64,
    /// Kills that no program saw.
    missed: u64,
    /// Kills seen whose record found no room.
    unnamed: u64,
    /// The latest kill was missed.
    blind: bool,
}

impl Account {
    fn note(&mut self, counters: &Counters, counted: u64) {
        let (start, counted_before) = &self.start;
        let seen = counters.kills.saturating_sub(start.kills);
        let counted = counted.saturating_sub(*counted_before).saturating_sub(counters.again.saturating_sub(start.again));
        let missed = match self.is_exact {
            true => counted.saturating_sub(seen),
            // Seen at all is as much as can be asked.
            false if seen > self.seen => self.missed,
            false => self.missed + counted.saturating_sub(self.counted),
        };
        if missed > self.missed {
            self.blind = true;
        } else if seen > self.seen {
            self.blind = false;
        }
        let unnamed = counters.without_record.saturating_sub(start.without_record);
        *self = Self { seen, counted, missed: missed.max(self.missed), unnamed, ..*self };
    }

    /// Kills that were seen, and those that were missed.
    fn kills(&self) -> (u64, u64) {
        let most = if self.is_exact { u64::MAX } else { self.most };
        let seen = self.seen.min(most);
        (seen, self.missed.min(most - seen))
    }

    fn proof(&self) -> Proof {
        if self.blind {
            let Self { seen, counted, .. } = self;
            return Proof::Blind(format!("mark_victim saw {seen} of the {counted} kills that the kernel counted"));
        }
        // No kill counted is a proof as well: none was there to be seen.
        Proof::Alive
    }
}

impl Collector for OomCollector {
    /// Kills so far.
    fn events(&self) -> u64 {
        self.account.kills().0
    }

    fn tick(&mut self, moment: &Moment<'_>) {
        self.error = self.read(moment).err();
    }

    fn prove(&mut self) -> Proof {
        match &self.error {
            Some(error) => Proof::Blind(format!("kills could not be read: {error}")),
            None => self.account.proof(),
        }
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.read(moment)?;
        let ((seen, missed), unnamed) = (self.account.kills(), self.account.unnamed);
        let report = report::running(NAME, &[Counted { what: "kills", events: seen, lost: missed + unnamed, missed: Some(0) }]);
        let report = report::partial(report, self.no_case.clone());
        let report = report::partial(report, self.marks.and_then(|marks| doubtful(marks.doubtful)));
        let report = self.before.state_refusal(report);
        families.oom = Some(self.ledger.tell(seen + missed, Some(self.before.tell(moment.names))));
        Ok(report)
    }

    fn detach(&mut self) {
        self.object.detach();
    }
}

/// Which of the marked tasks were killed and which were dying already is a guess then.
fn doubtful(marks: u64) -> Option<Explained> {
    (marks > 0).then(|| Explained {
        reason: format!("{marks} of the tasks that were marked for killing were dying already, and which ones is not known"),
        fix: "look at the kernel's own account of each kill with `dmesg`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(is_exact: bool) -> Account {
        Account { start: (counters(2, 0), 100), is_exact, ..Account::default() }
    }

    #[test]
    fn dying_tasks_that_are_marked_are_no_kills_where_the_kernel_counted_none() {
        let mut account = account(false);
        account.note(&counters(7, 0), 101);
        account.most = 1;
        assert_eq!((account.proof(), account.kills()), (Proof::Alive, (1, 0)));
        // Three that nobody saw: the sum stays what the kernel counted.
        account.note(&counters(7, 0), 104);
        account.most = 4;
        assert_eq!(account.kills(), (4, 0));
    }

    fn counters(kills: u64, again: u64) -> Counters {
        Counters { kills, again, ..Counters::default() }
    }

    #[test]
    fn a_kill_that_the_kernel_counted_and_nobody_saw_is_blindness_until_one_is_seen() {
        let mut account = account(true);
        account.note(&counters(2, 0), 100);
        assert_eq!(account.proof(), Proof::Alive);
        account.note(&counters(3, 0), 101);
        assert_eq!(account.proof(), Proof::Alive);
        account.note(&counters(3, 0), 104);
        assert_eq!(account.proof(), Proof::Blind("mark_victim saw 1 of the 4 kills that the kernel counted".to_owned()));
        account.note(&counters(3, 0), 104);
        assert!(matches!(account.proof(), Proof::Blind(_)), "no kill since: still blind");
        account.note(&counters(4, 0), 105);
        assert_eq!((account.proof(), account.missed), (Proof::Alive, 3));
    }

    #[test]
    fn a_kill_seen_before_it_was_counted_is_not_missing() {
        let mut account = account(true);
        account.note(&counters(3, 0), 100);
        account.note(&counters(3, 0), 101);
        assert_eq!((account.proof(), account.missed), (Proof::Alive, 0));
    }

    #[test]
    fn a_victim_that_the_kernel_counted_twice_is_not_missing() {
        let mut exact = account(true);
        exact.note(&counters(8, 1), 107);
        assert_eq!((exact.proof(), exact.missed, exact.seen), (Proof::Alive, 0, 6));
        let mut rough = account(false);
        rough.note(&counters(8, 0), 107);
        assert_eq!((rough.proof(), rough.missed), (Proof::Alive, 0));
        rough.most = 7;
        assert_eq!(rough.kills(), (6, 0));
        rough.note(&counters(8, 0), 108);
        assert_eq!((matches!(rough.proof(), Proof::Blind(_)), rough.missed), (true, 1));
    }
}
