//! Generated from `wit/v1`: the contract's types, the host's functions, and the glue that exports a rule.

#[cfg(not(feature = "testing"))]
wit_bindgen::generate!({
    path: "../wit/v1",
    world: "rule",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "kerno_rules_sdk::bindings",
});

#[cfg(feature = "testing")]
wit_bindgen::generate!({
    path: "../wit/v1",
    world: "rule",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "kerno_rules_sdk::bindings",
    additional_derives: [serde::Serialize, serde::Deserialize],
});
