//! Facts in, plan out: what set-up decides on machines of every kind.

use super::*;
use crate::clang::Clang;
use crate::toolchain::Linker;

/// rustup's stable compiler, freshly installed.
fn rustup_compiler() -> Compiler {
    Compiler {
        cargo: "/home/u/.cargo/bin/cargo".into(),
        rustc: "/home/u/.cargo/bin/rustc".into(),
        release: (1, 96),
        llvm: 22,
        bpf: false,
        source: false,
        lld: true,
    }
}

/// Debian's compiler with every package of it.
fn debian_compiler() -> Compiler {
    Compiler { cargo: "/usr/bin/cargo".into(), rustc: "/usr/bin/rustc".into(), bpf: true, source: true, ..rustup_compiler() }
}

fn linker() -> Linker {
    Linker { path: "/c/bin/bpf-linker".into(), version: (0, 13), llvm: Some(22) }
}

fn bookworm_with_rustup() -> Facts {
    Facts { compilers: vec![rustup_compiler()], rustup: true, debian: Some("bookworm".into()), root: true, ..Facts::default() }
}

fn names(ways: &[Way]) -> Vec<&str> {
    ways.iter().map(|way| way.name).collect()
}

#[test]
fn nothing_is_planned_where_nothing_is_missing() {
    let facts =
        Facts { compilers: vec![rustup_compiler(), debian_compiler()], linkers: vec![linker()], ..bookworm_with_rustup() };
    assert_eq!(toolchain_ways(&facts), []);
}

#[test]
fn rustup_is_tried_before_debians_packages() {
    let ways = toolchain_ways(&bookworm_with_rustup());
    assert_eq!(names(&ways), ["rustup", "Debian's packages"]);
    let components = [Step::Rustup("component", "rust-src")];
    assert_eq!(ways[0].steps[..1], components);
    assert_eq!(ways[0].steps[1..], [Step::Packages(tools::LLVM.to_vec()), Step::BuildLinker(debian_llvm())]);
    let everything = [tools::TOOLCHAIN, tools::LLVM].concat();
    assert_eq!(ways[1].steps, [Step::Packages(everything), Step::BuildLinker(debian_llvm())]);
}

#[test]
fn without_root_the_way_that_needs_none_comes_first() {
    let packages = tools::LLVM.iter().map(|name| String::from(*name)).collect();
    let ways = toolchain_ways(&Facts { root: false, packages, ..bookworm_with_rustup() });
    assert_eq!(ways[0].steps.last(), Some(&Step::BuildLinker(debian_llvm())));
    assert!(!ways[0].steps.iter().any(Step::needs_root));
    assert!(ways[1].steps.iter().any(Step::needs_root));
}

#[test]
fn only_what_is_missing_is_installed() {
    let packages =
        tools::TOOLCHAIN.iter().chain(&tools::LLVM).filter(|name| **name != "lld-22").map(|name| String::from(*name)).collect();
    let facts = Facts {
        packages,
        rustup: false,
        compilers: vec![Compiler { lld: false, ..debian_compiler() }],
        linkers: vec![linker()],
        ..bookworm_with_rustup()
    };
    let ways = toolchain_ways(&facts);
    assert_eq!(ways, [Way { name: "Debian's packages", steps: vec![Step::Packages(vec!["lld-22"])] }]);
}

#[test]
fn a_compiler_with_a_newer_llvm_than_debians_is_left_for_debians_own() {
    let newer = Compiler { llvm: 23, source: true, ..rustup_compiler() };
    let ways = toolchain_ways(&Facts { compilers: vec![newer], linkers: vec![linker()], ..bookworm_with_rustup() });
    assert_eq!(names(&ways), ["Debian's packages"]);
}

#[test]
fn elsewhere_the_systems_llvm_builds_the_linker() {
    let llvm = Llvm { prefix: "/usr".into(), major: 22 };
    let facts = Facts { debian: None, llvm: vec![llvm.clone()], ..bookworm_with_rustup() };
    let ways = toolchain_ways(&facts);
    assert_eq!(names(&ways), ["rustup"]);
    assert_eq!(ways[0].steps.last(), Some(&Step::BuildLinker(llvm)));
    assert!(guest_steps(&facts).is_empty(), "no packages are known there");
}

#[test]
fn a_machine_with_neither_has_no_way() {
    let old = Compiler { release: (1, 85), ..rustup_compiler() };
    assert_eq!(toolchain_ways(&Facts { compilers: vec![old], debian: None, ..bookworm_with_rustup() }), []);
}

#[test]
fn debian_12_takes_qemu_from_backports_and_later_releases_do_not() {
    let packages =
        tools::GUESTS.iter().map(|tool| tool.package.to_owned()).filter(|name| name != "kmod" && name != tools::QEMU).collect();
    let facts = Facts { packages, ..bookworm_with_rustup() };
    assert_eq!(guest_steps(&facts), [Step::Packages(vec!["kmod"]), Step::Backport("bookworm-backports".into())]);
    let trixie = Facts { debian: Some("trixie".into()), ..facts };
    assert_eq!(guest_steps(&trixie), [Step::Packages(vec!["kmod", tools::QEMU])]);
}

#[test]
fn requirements_list_everything_and_say_how() {
    let facts = bookworm_with_rustup();
    let requirements = requirements(&facts);
    assert_eq!(requirements.len(), 4 + tools::GUESTS.len());
    assert!(requirements.iter().all(|requirement| !requirement.present && !requirement.how.is_empty()));
    let qemu = requirements.iter().find(|requirement| requirement.name == tools::QEMU).unwrap();
    assert_eq!(qemu.how, "apt-get install -t bookworm-backports qemu-system-x86");
}

#[test]
fn a_linker_that_does_not_fit_is_reported_missing() {
    let complete = Compiler { llvm: 23, source: true, ..rustup_compiler() };
    let requirements = requirements(&Facts { compilers: vec![complete], linkers: vec![linker()], ..bookworm_with_rustup() });
    let state: Vec<_> = requirements.iter().take(3).map(|requirement| requirement.present).collect();
    assert_eq!(state, [true, true, false]);
}

#[test]
fn a_compiler_for_c_is_taken_from_debian_where_there_is_none() {
    let bookworm = bookworm_with_rustup();
    assert_eq!(c_steps(&bookworm), [Step::Packages(vec!["clang-22", "lld-22"])]);
    let trixie = Facts { debian: Some("trixie".into()), ..bookworm.clone() };
    assert_eq!(c_steps(&trixie), [Step::Packages(vec!["clang", "lld"])]);
    assert_eq!(c_steps(&Facts { debian: None, ..bookworm.clone() }), [], "no packages are known there");
    let clang = Clang { path: "/usr/bin/clang".into(), linker: "/usr/bin/wasm-ld".into() };
    assert_eq!(c_steps(&Facts { clang: Some(clang), ..bookworm }), []);
}
