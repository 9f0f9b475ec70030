//! What the path of a control group stands for: a systemd unit, a container, a pod.

use kerno_signals::{Cgroup, Runtime};

/// A group by its number and path. Everything else is told by the path's words.
#[must_use]
pub fn describe(id: u64, path: &str) -> Cgroup {
    let container = container(path);
    let runtime = container.as_ref().and_then(|(runtime, _)| *runtime);
    let container = container.map(|(_, id)| id.to_owned());
    Cgroup { id, unit: unit(path), container, runtime, pod_uid: pod_uid(path), path: Some(path.to_owned()) }
}

/// The systemd unit (service, scope, slice …) that the last component of a path names.
fn unit(path: &str) -> Option<String> {
    const KINDS: [&str; 6] = [".service", ".scope", ".slice", ".mount", ".socket", ".swap"];
    // systemd puts `_` before names that could be mistaken for the kernel's own files.
    let last = path.rsplit('/').next()?;
    let last = last.strip_prefix('_').unwrap_or(last);
    KINDS.iter().any(|kind| last.len() > kind.len() && last.ends_with(kind)).then(|| last.to_owned())
}

/// The container id (64 hexadecimal digits) in a path and who runs it; of nested ones the innermost. Understands docker, containerd,
/// CRI-O and podman under either driver: `docker-<id>.scope`, `cri-containerd-<id>.scope`, `crio-<id>`, `libpod-<id>.scope`,
/// `/docker/<id>`, `/k8s.io/<id>`, `/kubepods/…/<id>`, `…slice:cri-containerd:<id>`. The monitor beside a container (`conmon`) is
/// not in it.
fn container(path: &str) -> Option<(Option<Runtime>, &str)> {
    let mut parts = path.rsplit('/');
    while let Some(part) = parts.next() {
        let part = part.strip_suffix(".scope").or_else(|| part.strip_suffix(".service")).unwrap_or(part);
        let (before, id) = part.rsplit_once(['-', ':']).unwrap_or(("", part));
        let is_id = id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_id && !before.ends_with("conmon") {
            let said_by = if before.is_empty() { parts.next().unwrap_or_default() } else { before };
            return Some((runtime(said_by), id));
        }
    }
    None
}

/// By the word before the id, or the directory above a bare one. A pod's directory (`pod…`) says nothing: containerd and
/// cri-dockerd both put bare ids there.
fn runtime(said_by: &str) -> Option<Runtime> {
    let word = said_by.rsplit(':').next().unwrap_or(said_by);
    Some(match word {
        "docker" => Runtime::Docker,
        "cri-containerd" | "containerd" | "nerdctl" | "k8s.io" => Runtime::Containerd,
        "crio" | "cri-o" => Runtime::CriO,
        "libpod" | "libpod_parent" => Runtime::Podman,
        _ => return None,
    })
}

/// The uid in `pod<uid>` (cgroupfs driver), `kubepods-burstable-pod<uid>.slice` (systemd driver, dashes written as underscores), or
/// either with a prefix of its own (kind). Of nested ones the innermost. A static pod's uid is a hash of 32 digits.
fn pod_uid(path: &str) -> Option<String> {
    path.rsplit('/').find_map(|part| {
        let part = part.split_once(".slice").map_or(part, |(before, _)| before);
        let (before, uid) = part.rsplit_once("pod")?;
        let uid = uid.replace('_', "-");
        ((before.is_empty() || before.ends_with('-')) && is_uid(&uid)).then_some(uid)
    })
}

fn is_uid(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let mut groups = text.split('-').map(|group| group.bytes().all(is_digit).then_some(group.len()));
    let lengths: Vec<_> = groups.by_ref().take(6).collect();
    matches!(lengths[..], [Some(8), Some(4), Some(4), Some(4), Some(12)] | [Some(32)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use Runtime::{Containerd, CriO, Docker, Podman};

    const ID: &str = "3f1e9ac04a1b6d2e8f7c5b4a39281706f5e4d3c2b1a0918273645546372819af";
    const UID: &str = "0c1d2e3f-4a5b-6c7d-8e9f-a0b1c2d3e4f5";
    const HASH: &str = "0c1d2e3f4a5b6c7d8e9fa0b1c2d3e4f5";

    fn filled(path: &str) -> String {
        path.replace("UID", UID).replace("ID", ID).replace("U_D", &UID.replace('-', "_")).replace("HASH", HASH)
    }

    #[test]
    fn containers_of_every_runtime_and_driver() {
        let cases = [
            ("/system.slice/docker-ID.scope", Some(Docker), None),
            ("/docker/ID", Some(Docker), None),
            ("/docker/ID/init.scope", Some(Docker), None),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-ID.scope", Some(Docker), None),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_D.slice/cri-containerd-ID.scope",
                Some(Containerd),
                Some(UID),
            ),
            ("/kubepods.slice/kubepods-podU_D.slice/docker-ID.scope", Some(Docker), Some(UID)),
            ("/kubepods.slice/kubepods-podU_D.slice/crio-ID.scope", Some(CriO), Some(UID)),
            ("/kubepods.slice/kubepods-podU_D.slice/crio-ID.scope/container", Some(CriO), Some(UID)),
            ("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podHASH.slice/crio-ID.scope", Some(CriO), Some(HASH)),
            ("/kubepods/burstable/podUID/ID", None, Some(UID)),
            ("/kubepods/podUID/ID", None, Some(UID)),
            ("/kubepods/besteffort/podUID/crio-ID", Some(CriO), Some(UID)),
            ("/kubepods/besteffort/podHASH/ID", None, Some(HASH)),
            ("/system.slice/containerd.service/kubepods-burstable-podU_D.slice:cri-containerd:ID", Some(Containerd), Some(UID)),
            ("/k8s.io/ID", Some(Containerd), None),
            ("/default/ID", None, None),
            ("/system.slice/nerdctl-ID.scope", Some(Containerd), None),
            ("/machine.slice/libpod-ID.scope", Some(Podman), None),
            ("/machine.slice/libpod-ID.scope/container", Some(Podman), None),
            ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope", Some(Podman), None),
            ("/libpod_parent/libpod-ID", Some(Podman), None),
            ("/libpod_parent/ID", Some(Podman), None),
        ];
        for (path, runtime, pod) in cases {
            let found = describe(7, &filled(path));
            assert_eq!((found.container.as_deref(), found.runtime, found.pod_uid.as_deref()), (Some(ID), runtime, pod), "{path}");
        }
    }

    #[test]
    fn of_nested_containers_and_pods_the_innermost() {
        let (inner, inner_pod) = (ID.replace('3', "4"), UID.replace('0', "1"));
        for (outer, runtime) in [("/docker/ID", None), ("/system.slice/docker-ID.scope", Some(Containerd))] {
            let below = match runtime {
                None => format!("/kubelet/kubepods/burstable/pod{inner_pod}/{inner}"),
                Some(_) => format!(
                    "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{}.slice/cri-containerd-{inner}.scope",
                    inner_pod.replace('-', "_")
                ),
            };
            let found = describe(7, &(filled(outer) + &below));
            assert_eq!((found.container, found.runtime, found.pod_uid), (Some(inner.clone()), runtime, Some(inner_pod.clone())));
        }
        let found = describe(7, &format!("/docker/{ID}/docker/{inner}"));
        assert_eq!((found.container, found.runtime), (Some(inner), Some(Docker)));
        let pod = filled("/kubepods/podUID/ID/kubepods");
        assert_eq!(describe(7, &pod).pod_uid.as_deref(), Some(UID));
    }

    #[test]
    fn what_is_no_container_is_taken_for_none() {
        for path in [
            "/",
            "/system.slice/sshd.service",
            "/kubepods.slice/kubepods-burstable.slice",
            "/machine.slice/libpod-conmon-ID.scope",
            "/kubepods.slice/crio-conmon-ID.scope",
            "/lxc.payload.web",
            "/memory/process_api/9916c5a619c83662cd18861ff11b36c2",
        ] {
            let found = describe(7, &filled(path));
            assert_eq!((found.container, found.runtime, found.pod_uid), (None, None, None), "{path}");
        }
    }

    #[test]
    fn pods_without_a_container() {
        for (path, pod) in [
            ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_D.slice", Some(UID)),
            ("/kubepods/podUID", Some(UID)),
            ("/kubepods/besteffort/podHASH", Some(HASH)),
            ("/kubepods/podshort", None),
            ("/tripodUID", None),
            ("/system.slice/podman.service", None),
            ("/machine.slice/machine-libpod_pod_ID.slice", None),
        ] {
            assert_eq!(describe(7, &filled(path)).pod_uid.as_deref(), pod, "{path}");
        }
    }

    #[test]
    fn units_are_the_last_component() {
        let cases = [
            ("/system.slice/sshd.service", Some("sshd.service")),
            ("/user.slice/user-1000.slice/session-2.scope", Some("session-2.scope")),
            ("/system.slice", Some("system.slice")),
            ("/system.slice/_cpu.service", Some("cpu.service")),
            ("/system.slice/foo.service/worker", None),
            ("/docker/abc", None),
            ("/", None),
        ];
        for (path, expected) in cases {
            assert_eq!(unit(path).as_deref(), expected, "{path}");
        }
    }
}
