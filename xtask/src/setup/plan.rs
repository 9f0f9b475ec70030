//! Decides what to install, from facts alone.

use std::fmt;

use super::facts::{Facts, Llvm};
use super::tools;
use crate::toolchain::{self, Compiler, LINKER, OLDEST};

/// Something the project needs, and whether it is there.
#[derive(Debug, PartialEq, Eq)]
pub struct Requirement {
    pub name: String,
    pub present: bool,
    pub purpose: String,
    /// How set-up would get it; empty when it is there or cannot be had.
    pub how: String,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `rustup target add`, `rustup component add`.
    Rustup(&'static str, &'static str),
    /// Install these Debian packages.
    Packages(Vec<&'static str>),
    /// Install QEMU from Debian's backports.
    Backport(String),
    /// Build bpf-linker with this LLVM.
    BuildLinker(Llvm),
}

/// One way to get everything: all its steps, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub name: &'static str,
    pub steps: Vec<Step>,
}

impl Step {
    /// Does it need root?
    pub fn needs_root(&self) -> bool {
        matches!(self, Self::Packages(_) | Self::Backport(_))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rustup(kind, name) => write!(formatter, "rustup {kind} add {name}"),
            Self::Packages(names) => write!(formatter, "apt-get install {}", names.join(" ")),
            Self::Backport(suite) => write!(formatter, "apt-get install -t {suite} {}", tools::QEMU),
            Self::BuildLinker(llvm) => write!(formatter, "cargo install bpf-linker {LINKER} with LLVM {}", llvm.major),
        }
    }
}

/// The ways to a toolchain for kernel programs and rules, the best first; none when it is there, or when there is no way.
pub fn toolchain_ways(facts: &Facts) -> Vec<Way> {
    if toolchain::choose(&facts.compilers, &facts.linkers).is_some() {
        return Vec::new();
    }
    let mut ways = Vec::new();
    if let Some(compiler) = facts.compilers.first().filter(|compiler| facts.rustup && compiler.release >= OLDEST) {
        let source: Vec<_> = (!compiler.source).then_some(Step::Rustup("component", "rust-src")).into_iter().collect();
        for linker in linker_ways(facts, compiler) {
            ways.push(Way { name: "rustup", steps: [source.clone(), linker].concat() });
        }
    }
    if bookworm(facts) {
        let fits = facts.linkers.iter().any(|linker| linker.llvm.is_none_or(|llvm| llvm >= tools::LLVM_MAJOR));
        let linker_packages: &[&str] = if fits { &[] } else { &tools::LLVM };
        let mut steps = packages(facts, tools::TOOLCHAIN.iter().chain(linker_packages));
        if !fits {
            steps.push(Step::BuildLinker(debian_llvm()));
        }
        ways.push(Way { name: "Debian's packages", steps });
    }
    // Without root, what needs none comes first.
    ways.sort_by_key(|way| !facts.root && way.steps.iter().any(Step::needs_root));
    ways
}

/// The ways to a linker for what `compiler` writes.
fn linker_ways(facts: &Facts, compiler: &Compiler) -> Vec<Vec<Step>> {
    if facts.linkers.iter().any(|linker| linker.reads(compiler)) {
        return vec![Vec::new()];
    }
    let mut ways = Vec::new();
    if bookworm(facts) && compiler.llvm <= tools::LLVM_MAJOR {
        let mut steps = packages(facts, tools::LLVM.iter());
        steps.push(Step::BuildLinker(debian_llvm()));
        ways.push(steps);
    } else if let Some(llvm) = facts.llvm.iter().find(|llvm| llvm.major >= compiler.llvm && (21..=23).contains(&llvm.major)) {
        ways.push(vec![Step::BuildLinker(llvm.clone())]);
    }
    ways
}

/// The step that installs a compiler for rules in C; none when one is there, or when none can be had here.
pub fn c_steps(facts: &Facts) -> Vec<Step> {
    if facts.clang.is_some() || facts.debian.is_none() {
        return Vec::new();
    }
    vec![Step::Packages(if bookworm(facts) { tools::C_BOOKWORM } else { tools::C }.to_vec())]
}

/// The step that installs the tools guests need; none when they are there, or when they cannot be had here.
pub fn guest_steps(facts: &Facts) -> Vec<Step> {
    let Some(suite) = &facts.debian else { return Vec::new() };
    let missing: Vec<_> = tools::GUESTS.iter().filter(|tool| !facts.has(tool)).map(|tool| tool.package).collect();
    let (qemu, mut plain): (Vec<_>, Vec<_>) = missing.into_iter().partition(|package| *package == tools::QEMU);
    let mut steps = Vec::new();
    if !qemu.is_empty() && bookworm(facts) {
        steps.push(Step::Backport(format!("{suite}-backports")));
    } else {
        plain.extend(qemu);
    }
    if !plain.is_empty() {
        steps.insert(0, Step::Packages(plain));
    }
    steps
}

/// Everything that is needed, for `setup --check`.
pub fn requirements(facts: &Facts) -> Vec<Requirement> {
    let ways = toolchain_ways(facts);
    let way = ways.first().map(|way| way.steps.iter().map(Step::to_string).collect::<Vec<_>>().join("; ")).unwrap_or_default();
    let rules = facts.compilers.iter().any(Compiler::builds_rules);
    let kernel = facts.compilers.iter().any(Compiler::builds_kernel_programs);
    let chosen = toolchain::choose(&facts.compilers, &facts.linkers).is_some();
    let need = |name: &str, present: bool, purpose: &str| Requirement {
        name: name.into(),
        present,
        purpose: purpose.into(),
        how: if present { String::new() } else { way.clone() },
    };
    let mut all = vec![
        need("Rust for wasm32-unknown-unknown", rules, "builds the rules"),
        need("Rust for bpfel-unknown-none", kernel, "builds the kernel programs"),
        need(
            "bpf-linker",
            chosen || !(facts.linkers.is_empty() || rules && kernel),
            "links the kernel programs; its LLVM must be as new as the compiler's",
        ),
    ];
    all.push(Requirement {
        name: "clang and wasm-ld".into(),
        present: facts.clang.is_some(),
        purpose: "build rules in C".into(),
        how: c_steps(facts).first().map(Step::to_string).unwrap_or_default(),
    });
    let steps = guest_steps(facts);
    for tool in &tools::GUESTS {
        let step = steps.iter().find(|step| match step {
            Step::Packages(names) => names.contains(&tool.package),
            Step::Backport(_) => tool.package == tools::QEMU,
            _ => false,
        });
        let how = match step {
            Some(Step::Packages(_)) => format!("apt-get install {}", tool.package),
            Some(step) => step.to_string(),
            None => String::new(),
        };
        all.push(Requirement {
            name: tool.package.into(),
            present: facts.has(tool),
            purpose: format!("guests: {}", tool.purpose),
            how,
        });
    }
    all
}

fn bookworm(facts: &Facts) -> bool {
    facts.debian.as_deref() == Some("bookworm")
}

fn debian_llvm() -> Llvm {
    Llvm { prefix: format!("/usr/lib/llvm-{}", tools::LLVM_MAJOR).into(), major: tools::LLVM_MAJOR }
}

/// The step that installs those of the packages that are missing; none when all are there.
fn packages<'a>(facts: &Facts, names: impl Iterator<Item = &'a &'static str>) -> Vec<Step> {
    let missing: Vec<_> = names.copied().filter(|name| !facts.packages.contains(*name)).collect();
    if missing.is_empty() { Vec::new() } else { vec![Step::Packages(missing)] }
}

#[cfg(test)]
mod tests;
