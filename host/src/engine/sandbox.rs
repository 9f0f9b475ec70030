//! The walls around a rule: memory, tables, time and size of results; and the words for running into one.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Instant;

use kerno_signals::Snapshot;
use rustix::process::{Resource, getrlimit};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolConcurrencyLimitError, PoolingAllocationConfig, RegallocAlgorithm,
    ResourceLimiter, Store, Trap, UpdateDeadline,
};

use super::Limits;
use super::answers::Refusal;
use super::bindings::{Rule, RulePre};
use super::clock::{Clock, Running};
use super::cpu_time;
use super::rule::Parameters;

/// Instances at a time: rules run one after the other; for a program that judges in several threads there are some more.
const INSTANCES: u32 = 4;
/// Addresses of each: all that a rule can name, so that its code hardly needs to check them. They take no memory.
pub(super) const ADDRESSES: u64 = 4 << 30;
/// Addresses behind those, for what is named by a distance from an address.
pub(super) const GUARD: u64 = 32 << 20;
/// What is cleared by writing zeroes after an evaluation, bytes: cheaper than giving it back and having it faulted in again.
const KEPT: usize = 512 << 10;
/// Components up to this size are compiled with care, bytes: those of most rules.
const SMALL: usize = 96 << 10;
const CORE_INSTANCES_PER_COMPONENT: u32 = 8;
const TABLES_PER_COMPONENT: u32 = 8;
const TABLE_ELEMENTS: usize = 10_000;

/// Addresses that all instances have together, and some for the pool's own tables.
pub(super) const POOL: u64 = INSTANCES as u64 * (ADDRESSES + GUARD) + (256 << 20);

/// Whether somebody has set `RLIMIT_AS` (`ulimit -v`): asked once, for code is compiled for what was answered first.
pub(super) fn address_space_is_limited() -> bool {
    static LIMITED: LazyLock<bool> = LazyLock::new(|| getrlimit(Resource::As).current.is_some());
    *LIMITED
}

/// The one engine, what it offers to components, and the limits.
pub(super) struct Sandbox {
    engine: Engine,
    /// Compiles small rules, made for the first of them.
    careful: OnceLock<Engine>,
    linker: Linker<State>,
    clock: Clock,
    pub(super) limits: Limits,
}

/// Why a call gave nothing.
pub(super) struct Failure {
    /// One sentence.
    pub(super) reason: String,
    /// It lies with the rule, not with a host that is short of something.
    pub(super) is_its_own: bool,
}

/// What one instance sees and has used.
pub(super) struct State {
    /// None while a rule describes itself.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    pub(super) parameters: Arc<Parameters>,
    pub(super) rule: Arc<str>,
    pub(super) log_lines: u32,
    /// Linear memory that it has, bytes.
    pub(super) memory: usize,
    memory_limit: usize,
    memory_denied: bool,
    /// It ran for longer than it may by the wall.
    waited: bool,
}

impl State {
    pub(super) fn new(snapshot: Option<Arc<Snapshot>>, parameters: Arc<Parameters>, rule: Arc<str>) -> Self {
        Self { snapshot, parameters, rule, log_lines: 0, memory: 0, memory_limit: 0, memory_denied: false, waited: false }
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let granted = desired <= self.memory_limit;
        self.memory_denied |= !granted;
        if granted {
            self.memory = desired;
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_PER_COMPONENT as usize
    }

    fn tables(&self) -> usize {
        TABLES_PER_COMPONENT as usize
    }

    fn memories(&self) -> usize {
        1
    }
}

/// How rules are compiled and given memory.
pub(super) fn config(limits: &Limits) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * CORE_INSTANCES_PER_COMPONENT)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES * TABLES_PER_COMPONENT)
        // All rules run in the same memory, one after the other: the caches hold it.
        .max_unused_warm_slots(0)
        .linear_memory_keep_resident(KEPT)
        .table_keep_resident(KEPT)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(1)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(limits.memory);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        // Nor is it mapped anew for each.
        .memory_init_cow(false)
        .epoch_interruption(true)
        // A rule runs for a fraction of a millisecond, and is compiled for much longer.
        .cranelift_opt_level(OptLevel::None)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass)
        // Of a trap its kind is told, not its place.
        .generate_address_map(false)
        .wasm_backtrace_max_frames(None)
        // Where rules are compiled no thread may be started.
        .parallel_compilation(false)
        .memory_reservation(if address_space_is_limited() { limits.memory as u64 } else { ADDRESSES })
        .memory_guard_size(if address_space_is_limited() { 64 << 10 } else { GUARD })
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

impl Sandbox {
    pub(super) fn new(limits: &Limits) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config(limits))?;
        let mut linker = Linker::new(&engine);
        Rule::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        let clock = Clock::of(engine.clone());
        Ok(Self { engine, careful: OnceLock::new(), linker, clock, limits: limits.clone() })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Native code of a component. Of a small one it is made with care, which takes half as long again: there it hardly matters, and the
    /// code is little more than half as large.
    pub(super) fn native_code(&self, component: &[u8]) -> wasmtime::Result<Vec<u8>> {
        if component.len() > SMALL {
            return self.engine.precompile_component(component);
        }
        if self.careful.get().is_none() {
            let mut config = config(&self.limits);
            // Nothing runs in it.
            config
                .cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking)
                .allocation_strategy(InstanceAllocationStrategy::OnDemand);
            let _ = self.careful.set(Engine::new(&config)?);
        }
        self.careful.get().unwrap_or(&self.engine).precompile_component(component)
    }

    /// Links a component once for all its evaluations.
    pub(super) fn link(&self, component: &Component) -> wasmtime::Result<RulePre<State>> {
        RulePre::new(self.linker.instantiate_pre(component)?)
    }

    /// Calls into a fresh instance. What goes wrong is a sentence. Needs a running clock.
    pub(super) fn call<T>(
        &self,
        rule: &RulePre<State>,
        mut state: State,
        call: impl FnOnce(&Rule, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        state.memory_limit = self.limits.memory;
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| state);
        store.set_hostcall_fuel(self.limits.result);
        let (deadline, longest) = (self.limits.deadline, self.limits.longest());
        let (used, begun) = (cpu_time::of_this_thread(), Instant::now());
        // Asked at each tick.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |mut store| {
            store.data_mut().waited = begun.elapsed() >= longest;
            let is_over = store.data().waited || cpu_time::of_this_thread().saturating_sub(used) >= deadline;
            if is_over { Err(Trap::Interrupt.into()) } else { Ok(UpdateDeadline::Continue(1)) }
        });
        let result = rule.instantiate(&mut store).and_then(|instance| call(&instance, &mut store));
        result.map_err(|error| {
            let is_its_own = !store.data().waited && !error.is::<PoolConcurrencyLimitError>();
            Failure { reason: self.explain(&error, store.data()), is_its_own }
        })
    }

    fn explain(&self, error: &wasmtime::Error, state: &State) -> String {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return refusal.to_string();
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return format!("it was to run while {INSTANCES} others did: judge in fewer threads at a time");
        }
        let Some(trap) = error.downcast_ref::<Trap>() else {
            let text = format!("{:#}", error.root_cause());
            if text.contains("fuel allocated for hostcalls") {
                return format!(
                    "it passed or returned more than {} KiB (rules.limits.result): return fewer findings and shorter texts",
                    self.limits.result >> 10
                );
            }
            if state.memory_denied || text.contains("memory minimum size") {
                return self.too_much_memory();
            }
            return format!("it broke the contract with kerno ({text}): build it again with the SDK");
        };
        match trap {
            Trap::Interrupt if state.waited => {
                let longest = self.limits.longest().as_millis();
                format!(
                    "it did not get enough of a CPU to finish within {longest} ms: run it again when this host has time for it"
                )
            }
            Trap::Interrupt => {
                let deadline = self.limits.deadline.as_millis();
                format!(
                    "it did not finish within {deadline} ms of CPU time (rules.limits.deadline) and was stopped: look for an endless loop, or ask for fewer records"
                )
            }
            _ if state.memory_denied => self.too_much_memory(),
            Trap::UnreachableCodeReached => {
                "it trapped: unreachable code (a panic or an abort): run its tests on a recorded window and mend it".to_owned()
            }
            Trap::MemoryOutOfBounds => "it trapped: out-of-bounds memory access: build it again with the SDK".to_owned(),
            Trap::StackOverflow => "it trapped: its call stack overflowed: look for endless recursion".to_owned(),
            other => format!("it trapped: {other}: run its tests on a recorded window and mend it"),
        }
    }

    pub(super) fn too_much_memory(&self) -> String {
        format!(
            "it needs more than the {} MiB of memory that a rule may have (rules.limits.memory): declare less, or ask for fewer records at a time",
            self.limits.memory >> 20
        )
    }

    /// Lets deadlines come, until what it gives is dropped.
    pub(super) fn start_clock(&self) -> std::io::Result<Running> {
        self.clock.start()
    }
}
