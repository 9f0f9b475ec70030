//! Generated from `wit/v1`: the contract's types on the host's side. Every function may refuse.

wasmtime::component::bindgen!({
    path: "../wit/v1",
    world: "rule",
    imports: { default: trappable },
});
