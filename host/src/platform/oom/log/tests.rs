//! Lines of the kernel's log, as kernels write them.

use super::*;

fn read(text: &str) -> Vec<Logged> {
    let mut log = Log::default();
    let record = |(index, text): (usize, &str)| Record { at_ns: index as u64, text: text.to_owned() };
    text.lines().enumerate().filter_map(|line| log.note(&record(line))).collect()
}

/// Debian's 5.10.262, a group with `memory.oom.group` and two processes.
const GROUP_5_10: &str = "the (victim) x invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
CPU: 0 PID: 405 Comm: the (victim) x Not tainted 5.10.0-46-cloud-amd64 #1 Debian 5.10.262-1
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=together,mems_allowed=0,oom_memcg=/together,task_memcg=/together,task=the (victim) x,pid=405,uid=0
Memory cgroup out of memory: Killed process 405 (the (victim) x) total-vm:141020kB, anon-rss:49428kB, file-rss:0kB, shmem-rss:140kB, UID:0 pgtables:168kB oom_score_adj:0
Tasks in /together are going to be killed due to memory.oom.group set
Memory cgroup out of memory: Killed process 400 (oom::a_group_th) total-vm:75484kB, anon-rss:312kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:64kB oom_score_adj:0
Memory cgroup out of memory: Killed process 405 (the (victim) x) total-vm:141020kB, anon-rss:49428kB, file-rss:0kB, shmem-rss:140kB, UID:0 pgtables:168kB oom_score_adj:0
";

#[test]
fn a_group_that_dies_together_is_one_case_whose_first_victim_is_logged_twice() {
    let [chosen, other, again] = &read(GROUP_5_10)[..] else { panic!() };
    let group = Limit::Group("/together".to_owned());
    for kill in [chosen, other, again] {
        assert_eq!((kill.case, &kill.limit), (1, &group));
        assert_eq!(kill.trigger, Some(("the (victim) x".to_owned(), Some(405))));
    }
    assert_eq!((chosen.pid, other.pid, again.pid), (405, 400, 405));
    assert_eq!((chosen.again, other.again, again.again), (false, false, true));
    // The log tells the group of the chosen one only.
    assert_eq!((chosen.group.as_deref(), &other.group), (Some("/together"), &None));
    assert_eq!(chosen.memory, Some([49_428 * 1024, 0, 140 * 1024]));
    assert_eq!((other.comm.as_str(), other.score_adj), ("oom::a_group_th", Some(0)));
}

#[test]
fn names_that_hold_the_formats_own_words_are_read_whole() {
    let text = "a invoked oom-killer: b invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n\
        oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,b,task_memcg=/a,b/c,task=x,pid=1,y,pid=77,uid=0\n\
        Memory cgroup out of memory: Killed process 77 (x) (y) total-vm:9kB, anon-rss:8kB, file-rss:4kB, shmem-rss:0kB, UID:0 pgtables:5kB oom_score_adj:-17\n";
    let [kill] = &read(text)[..] else { panic!() };
    assert_eq!((kill.pid, kill.comm.as_str(), kill.score_adj), (77, "x) (y", Some(-17)));
    assert_eq!((&kill.limit, kill.group.as_deref()), (&Limit::Group("/a,b".to_owned()), Some("/a,b/c")));
}

#[test]
fn a_kill_whose_case_fell_out_of_the_log_is_told_with_what_is_left() {
    let text = "Out of memory: Killed process 9 (x) total-vm:9kB, anon-rss:8kB, file-rss:4kB, shmem-rss:2kB, UID:0 pgtables:5kB oom_score_adj:0\n\
        Memory cgroup out of memory: Killed process 8 (y) total-vm:9kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB\n";
    let [host, group] = &read(text)[..] else { panic!() };
    assert_eq!((&host.limit, &host.group, &host.trigger, host.case), (&Limit::Host, &None, &None, 0));
    assert_eq!(host.memory, Some([8192, 4096, 2048]));
    assert_eq!((&group.limit, group.score_adj, group.memory), (&Limit::Unknown, None, Some([1024, 0, 0])));
}

#[test]
fn kills_by_user_space_are_none() {
    let text = "systemd-oomd[512]: Killed /system.slice/x.service due to memory pressure\n\
        earlyoom: sending SIGTERM to process 7 uid 0 \"x\"\noom_reaper: reaped process 7 (x), now anon-rss:0kB\n: Killed process nonsense\n";
    assert!(read(text).is_empty());
}
