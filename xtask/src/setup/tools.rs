//! What the project needs beside cargo, in tables: the only list of it.

/// A program that guests are made or run with.
pub struct Tool {
    /// Its Debian package.
    pub package: &'static str,
    /// What is looked for where there is no dpkg.
    pub programs: &'static [&'static str],
    /// What it is for.
    pub purpose: &'static str,
}

/// The package that runs guests. Debian 12's own crashes them at random: from backports there.
pub const QEMU: &str = "qemu-system-x86";
/// The oldest QEMU whose guests are reliable.
pub const OLDEST_QEMU: (u32, u32) = (9, 0);

/// Debian 12's packages of a compiler that builds kernel programs and rules.
pub const TOOLCHAIN: [&str; 6] = ["rustc-web", "cargo-web", "rust-web-src", "libstd-rust-web-dev-bpf", "rust-web-llvm", "lld-22"];
/// Debian 12's packages that bpf-linker is built with.
pub const LLVM: [&str; 6] = ["llvm-22-dev", "clang-22", "libzstd-dev", "zlib1g-dev", "libxml2-dev", "libpolly-22-dev"];
/// The major version of the LLVM in [`LLVM`].
pub const LLVM_MAJOR: u32 = 22;

/// Debian's packages of a compiler for rules in C. Debian 12's are those that [`TOOLCHAIN`] and [`LLVM`] have anyway.
pub const C: [&str; 2] = ["clang", "lld"];
/// The same on Debian 12.
pub const C_BOOKWORM: [&str; 2] = ["clang-22", "lld-22"];

/// What guests are made and run with: needed by `test`, `vm`, `lab` and `bench` only.
pub const GUESTS: [Tool; 10] = [
    Tool { package: QEMU, programs: &["qemu-system-x86_64"], purpose: "runs the kernels under test; 9.0 or newer" },
    Tool { package: "busybox-static", programs: &["busybox"], purpose: "the guests' user space" },
    Tool { package: "kmod", programs: &["modprobe", "depmod"], purpose: "the guests' kernel modules" },
    Tool { package: "e2fsprogs", programs: &["mkfs.ext4"], purpose: "file systems in guests" },
    Tool { package: "dmsetup", programs: &["dmsetup"], purpose: "slow disks in guests" },
    Tool { package: "iproute2", programs: &["ip", "tc"], purpose: "networks in guests" },
    Tool { package: "bpftool", programs: &["bpftool"], purpose: "the second opinion on offsets and program run times" },
    Tool { package: "libbpf-tools", programs: &["runqlat", "biolatency"], purpose: "the second opinion on latencies" },
    Tool { package: "xz-utils", programs: &["xz"], purpose: "unpacks kernel modules" },
    Tool { package: "zstd", programs: &["zstd"], purpose: "unpacks kernel modules" },
];
