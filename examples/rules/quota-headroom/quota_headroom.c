// quota-headroom: a control group that nearly uses its CPU quota up. It is not held back yet; with a little more work it will be.
#include "memory.h"
#include "text.h"

// Of more groups than these the ones with the least left are told.
#define FINDINGS 10

typedef exports_kerno_rules_guest_parameter_t parameter;
typedef exports_kerno_rules_guest_verdict_t verdict;
typedef kerno_rules_cpu_cgroup_cpu_t group;
typedef kerno_rules_types_cgroup_t cgroup;
typedef kerno_rules_types_evidence_t evidence;
typedef kerno_rules_types_finding_t finding;
typedef kerno_rules_types_fix_t fix;
typedef kerno_rules_types_name_t name;

// A group and the share of its quota that it used.
typedef struct {
    group *group;
    double use;
    double quota_cpus;
} candidate;

static parameter parameters[] = {
    {TEXT("use_warning"), TEXT("share of its CPU quota that a group may use"), EXPORTS_KERNO_RULES_GUEST_UNIT_RATIO, 0.80},
    {TEXT("held_back"), TEXT("share of its CPU periods held back above which cpu-throttling tells of it instead"),
     EXPORTS_KERNO_RULES_GUEST_UNIT_RATIO, 0.25},
    {TEXT("min_periods"), TEXT("CPU periods of a group that are needed to judge it"), EXPORTS_KERNO_RULES_GUEST_UNIT_COUNT, 50},
};

void exports_kerno_rules_guest_describe(exports_kerno_rules_guest_description_t *ret) {
    static string families[] = {TEXT("cpu")};
    *ret = (exports_kerno_rules_guest_description_t){
        .id = TEXT("quota-headroom"),
        .title = TEXT("A CPU quota is nearly used up"),
        .version = TEXT("0.1.0"),
        .severity = KERNO_RULES_TYPES_SEVERITY_WARNING,
        .families = {families, 1},
        .parameters = {parameters, sizeof parameters / sizeof *parameters},
    };
}

static double configured(string name) {
    return kerno_rules_params_get(&name);
}

// What a group stands for: a container, a systemd unit, else the group itself.
static void put_name(writer *to, const cgroup *of) {
    if (of->container.is_some) {
        string id = of->container.val;
        put(to, TEXT("container "));
        put(to, (string){id.ptr, id.len < 12 ? id.len : 12});
    } else if (of->unit.is_some) {
        put(to, of->unit.val);
    } else if (of->path.is_some) {
        put(to, of->path.val);
    } else {
        put(to, TEXT("a control group whose name is not known"));
    }
}

static kerno_rules_types_entity_t entity(const cgroup *of, name names[2]) {
    kerno_rules_types_entity_t about = {KERNO_RULES_TYPES_ENTITY_KIND_CGROUP, {names, 0}};
    if (of->container.is_some) {
        about.kind = KERNO_RULES_TYPES_ENTITY_KIND_CONTAINER;
        names[about.names.len++] = (name){TEXT("container"), of->container.val};
    } else if (of->unit.is_some) {
        about.kind = KERNO_RULES_TYPES_ENTITY_KIND_UNIT;
        names[about.names.len++] = (name){TEXT("unit"), of->unit.val};
    }
    if (of->path.is_some) names[about.names.len++] = (name){TEXT("cgroup"), of->path.val};
    if (about.names.len == 0) {
        writer id = {0};
        put(&id, TEXT("id "));
        put_whole(&id, of->id);
        names[about.names.len++] = (name){TEXT("cgroup"), id.text};
    }
    return about;
}

// Commands to paste; none for a group without a name.
static size_t fixes(const candidate *one, fix all[2]) {
    const cgroup *of = &one->group->cgroup;
    size_t count = 0;
    writer see = {0}, raise = {0};
    if (of->path.is_some) {
        writer v2 = {0}, v1 = {0};
        put(&v2, TEXT("/sys/fs/cgroup"));
        put(&v2, of->path.val);
        put(&v1, TEXT("/sys/fs/cgroup/cpu"));
        put(&v1, of->path.val);
        put(&see, TEXT("({ cd "));
        put_quoted(&see, v2.text);
        put(&see, TEXT(" 2> /dev/null || cd "));
        put_quoted(&see, v1.text);
        put(&see, TEXT("; } && grep -s . cpu.max cpu.stat cpu.cfs_quota_us cpu.cfs_period_us)"));
        all[count++] = (fix){KERNO_RULES_TYPES_URGENCY_NOW, TEXT("see the quota and what is used of it"), see.text};
    }
    if (of->container.is_some) {
        string id = {of->container.val.ptr, of->container.val.len < 12 ? of->container.val.len : 12};
        put(&raise, TEXT("crictl inspect "));
        put_quoted(&raise, id);
        put(&raise, TEXT(" || docker inspect "));
        put_quoted(&raise, id);
        all[count++] = (fix){KERNO_RULES_TYPES_URGENCY_LATER, TEXT("find the container, then raise its CPU limit"), raise.text};
    } else if (of->unit.is_some) {
        put(&raise, TEXT("systemctl set-property --runtime -- "));
        put_quoted(&raise, of->unit.val);
        put(&raise, TEXT(" CPUQuota="));
        // In whole per cent of one CPU.
        put_whole(&raise, (uint64_t)(one->quota_cpus * 125) + 1);
        put(&raise, TEXT("%"));
        all[count++] = (fix){KERNO_RULES_TYPES_URGENCY_LATER, TEXT("give it a quarter more until the next boot"), raise.text};
    }
    return count;
}

static string title(const candidate *one) {
    writer to = {0};
    put_name(&to, &one->group->cgroup);
    put(&to, TEXT(" uses "));
    put_percent(&to, one->use);
    put(&to, TEXT(" of its CPU quota"));
    return to.text;
}

static string cause(const candidate *one) {
    writer to = {0};
    put(&to, TEXT("In CPUs, its quota is "));
    put_number(&to, one->quota_cpus);
    put(&to, TEXT(" and its use "));
    put_number(&to, one->quota_cpus * one->use);
    put(&to, TEXT(" on average over the window."));
    return to.text;
}

static string impact(const candidate *one) {
    writer to = {0};
    if (one->use < 1) {
        put(&to, TEXT("With "));
        put_percent(&to, 1 / one->use - 1);
        put(&to, TEXT(" more work it stands still in every period, however idle the host is."));
    } else {
        put(&to, TEXT("There is nothing left: with any more work it stands still in every period, however idle the host is."));
    }
    return to.text;
}

static finding told(const candidate *one, double threshold, size_t all) {
    // They live as long as the instance.
    struct {
        name names[2];
        evidence evidence[5];
        fix fixes[2];
    } *parts = cabi_realloc(0, 0, _Alignof(evidence), sizeof *parts);
    const group *of = one->group;
    const kerno_rules_cpu_cpu_throttling_t *periods = &of->throttling.val;
    parts->evidence[0] = (evidence){TEXT("CPU time used"), of->usage.val, TEXT("seconds")};
    parts->evidence[1] = (evidence){TEXT("CPUs of its quota"), one->quota_cpus, TEXT("count")};
    parts->evidence[2] = (evidence){TEXT("CPU periods"), (double)periods->periods, TEXT("count")};
    parts->evidence[3] = (evidence){TEXT("of them held back"), (double)periods->throttled_periods, TEXT("count")};
    parts->evidence[4] = (evidence){TEXT("groups with as little left"), (double)all, TEXT("count")};
    return (finding){
        .severity = KERNO_RULES_TYPES_SEVERITY_WARNING,
        .title = title(one),
        .entity = entity(&of->cgroup, parts->names),
        .signal = {TEXT("share of the CPU quota used"), one->use, threshold, TEXT("ratio")},
        .cause = cause(one),
        .impact = impact(one),
        .evidence = {parts->evidence, 5},
        .fixes = {parts->fixes, fixes(one, parts->fixes)},
        .confidence = 0.9,
    };
}

static verdict quiet(const candidate *closest, double threshold, size_t held_back) {
    writer to = {0};
    string unseen;
    bool is_incomplete = kerno_rules_cpu_unseen(&unseen);
    if (is_incomplete) {
        put(&to, TEXT("incomplete: "));
        put(&to, unseen);
        put(&to, TEXT("; of what was seen "));
    }
    if (closest->group) {
        put_name(&to, &closest->group->cgroup);
        put(&to, TEXT(" uses "));
        put_percent(&to, closest->use);
        put(&to, TEXT(" of its CPU quota, threshold "));
        put_percent(&to, threshold);
    } else {
        put(&to, TEXT("no control group has a CPU quota that was in force and holds it back rarely"));
    }
    if (held_back > 0) {
        put(&to, TEXT("; held back already: "));
        put_whole(&to, held_back);
    }
    if (is_incomplete)
        return (verdict){EXPORTS_KERNO_RULES_GUEST_VERDICT_NOT_EVALUATED, {.not_evaluated = to.text}};
    return (verdict){EXPORTS_KERNO_RULES_GUEST_VERDICT_QUIET, {.quiet = to.text}};
}

bool exports_kerno_rules_guest_evaluate(verdict *ret, string *err) {
    // Nothing here fails but for want of memory, which is a trap.
    (void)err;
    kerno_rules_cpu_host_cpu_t host;
    if (!kerno_rules_cpu_host(&host) || host.duration <= 0) {
        *ret = (verdict){EXPORTS_KERNO_RULES_GUEST_VERDICT_NOT_EVALUATED, {.not_evaluated = TEXT("cpu was not measured")}};
        return true;
    }
    double threshold = configured(TEXT("use_warning"));
    double most_held_back = configured(TEXT("held_back"));
    // All that have a quota: those that it holds back least, of which this rule tells, come last.
    kerno_rules_cpu_list_cgroup_cpu_t groups;
    kerno_rules_cpu_throttled((uint64_t)configured(TEXT("min_periods")), 0, UINT32_MAX, &groups);

    candidate found[FINDINGS], closest = {0};
    size_t count = 0, all = 0, held_back = 0;
    for (size_t i = 0; i < groups.len; i++) {
        group *of = &groups.ptr[i];
        if (of->own || !of->usage.is_some || !of->quota.is_some || !of->throttling.is_some) continue;
        double cpus = of->quota.val.quota / of->quota.val.period;
        candidate one = {of, of->usage.val / (cpus * host.duration), cpus};
        // What is no number is no share.
        if (!(cpus > 0 && one.use >= 0)) continue;
        if ((double)of->throttling.val.throttled_periods > most_held_back * (double)of->throttling.val.periods) {
            held_back++;
            continue;
        }
        if (!closest.group || one.use > closest.use) closest = one;
        if (one.use <= threshold) continue;
        all++;
        // By insertion, the least left first; of more than fit the one with the most left falls out.
        if (count == FINDINGS && found[count - 1].use >= one.use) continue;
        if (count < FINDINGS) count++;
        size_t at = count - 1;
        for (; at > 0 && found[at - 1].use < one.use; at--) found[at] = found[at - 1];
        found[at] = one;
    }
    if (count == 0) {
        *ret = quiet(&closest, threshold, held_back);
        return true;
    }
    finding *findings = cabi_realloc(0, 0, _Alignof(finding), count * sizeof *findings);
    for (size_t i = 0; i < count; i++) findings[i] = told(&found[i], threshold, all);
    *ret = (verdict){EXPORTS_KERNO_RULES_GUEST_VERDICT_FIRED, {.fired = {findings, count}}};
    return true;
}
