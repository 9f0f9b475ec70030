//! Native code of components, made ahead of time: by kerno's own build, for the rules that ship with it.

use wasmtime::component::Component;
use wasmtime::{Engine, InstanceAllocationStrategy, OptLevel, RegallocAlgorithm};

use super::sandbox;
use super::{Limits, RuntimeError};
use crate::artifacts;

/// Compiles a component for every machine of this architecture, whatever its CPU has beyond the least that all have.
///
/// # Errors
/// It is no valid component.
pub fn compile(component: &[u8]) -> Result<Vec<u8>, RuntimeError> {
    let failed = |error: wasmtime::Error| RuntimeError { reason: format!("{error:#}") };
    let mut config = sandbox::config(&Limits::default());
    // However few addresses there are here: most hosts have enough, and those that have not do without this code.
    config
        .parallel_compilation(true)
        .memory_reservation(sandbox::ADDRESSES)
        .memory_guard_size(sandbox::GUARD)
        .allocation_strategy(InstanceAllocationStrategy::OnDemand);
    // Naming a target, even this one, keeps what this CPU happens to have out of it.
    config.target(&target()).map_err(failed)?;
    // Here it pays to take time: it is compiled once and runs everywhere.
    config.cranelift_opt_level(OptLevel::SpeedAndSize).cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking);
    Engine::new(&config).and_then(|engine| engine.precompile_component(component)).map_err(failed)
}

/// The component, if this kerno was built with native code of exactly these bytes that fits its runtime.
pub(super) fn load(engine: &Engine, component: &[u8]) -> Option<Component> {
    // Where addresses are limited, code must check each; this does not.
    let code = artifacts::native_code(component).filter(|_| !sandbox::address_space_is_limited())?;
    // SAFETY: the bytes are part of this program's own file, where its build put what `compile` made of this very component; nobody
    // can change them who could not change the program. It is checked that they fit the runtime's version, settings and CPU.
    let loaded = unsafe { Component::deserialize(engine, code) };
    loaded.inspect_err(|error| tracing::warn!("a built-in rule is compiled anew: {error:#}")).ok()
}

/// A component of native code that another process of this program made, if it fits this one's runtime.
pub(super) fn load_made(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: a process of this very program compiled it, which runs nothing that it compiles, and the process that watches both handed
    // it over. It is checked that it fits the runtime's version, settings and CPU. Were it other code all the same, the walls around
    // the process that runs rules are made for that.
    let loaded = unsafe { Component::deserialize(engine, code) };
    loaded.inspect_err(|error| tracing::warn!("a rule is compiled once more: {error:#}")).ok()
}

fn target() -> String {
    let environment = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    format!("{}-unknown-linux-{environment}", std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_code_is_of_the_component_beside_it() {
        for (id, component) in artifacts::BUILT_IN_RULES {
            let Some((component, code)) = component.and_then(|bytes| Some((bytes, artifacts::native_code(bytes)?))) else {
                continue;
            };
            assert!(compile(component).unwrap() == code, "{id}: build kerno again with `cargo xtask build`");
        }
    }

    #[test]
    fn native_code_of_any_cpu_fits_this_one() {
        let engine = Engine::new(&sandbox::config(&Limits::default())).unwrap();
        let [(_, Some(component)), ..] = artifacts::BUILT_IN_RULES else { return };
        // SAFETY: it was made in the line itself.
        unsafe { Component::deserialize(&engine, compile(component).unwrap()) }.unwrap();
        assert!(load(&engine, b"\0asm\x0d\0\x01\0").is_none());
    }

    #[test]
    fn what_is_no_component_is_not_compiled() {
        assert!(compile(b"\0asm").is_err());
    }
}
