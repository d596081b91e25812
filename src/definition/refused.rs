//! Keys of `[Unit]` and `[Service]` that a definition cannot set, since the units of a pod would no longer do what
//! they are for, and what to write instead.

/// Whose `[Service]` a key is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The pod's, in `[Service]` of its file.
    Pod,
    /// A member's.
    Member,
}

/// Why a key is refused, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Continues "Key= cannot be set: ".
    pub(super) why: &'static str,
    /// What to write instead.
    pub(super) instead: &'static str,
}

/// Why `[Unit]` cannot have the key.
pub(super) fn in_unit(key: &str) -> Option<Refusal> {
    let refusal = |why, instead| Some(Refusal { why, instead });
    match key {
        "SourcePath" => refusal("podunit sets it to the file of the definition", "remove it"),
        "JoinsNamespaceOf" => refusal(
            "the namespaces of a pod are made by podunit",
            "write Share= in [Pod]",
        ),
        _ => None,
    }
}

/// Why `[Service]` cannot have the key.
pub(super) fn in_service(key: &str, owner: Owner) -> Option<Refusal> {
    let pod_only = POD.iter().filter(|_| owner == Owner::Pod);
    let rows = pod_only.chain(BOTH);
    let row = rows
        .into_iter()
        .find(|(keys, _, _)| keys.split_ascii_whitespace().any(|known| known == key));
    let exec = key.starts_with("Exec").then_some(&EXEC);
    row.or(exec).map(|(_, why, instead)| Refusal { why, instead })
}

/// What Quadlet takes in a member's `[Service]` and changes nothing there either: why, and what to write instead.
pub(super) fn without_effect(key: &str, value: &str, owner: Owner) -> Option<Refusal> {
    let (why, instead) = match key {
        _ if owner == Owner::Pod => return None,
        "TimeoutStopSec" => (
            "the container is killed when its own time is over",
            "write StopTimeout= in [Container …]",
        ),
        "KillMode" if ["mixed", "control-group"].contains(&value) => (
            "podunit stops the main process first, then all others",
            "remove it",
        ),
        _ => return None,
    };
    Some(Refusal { why, instead })
}

/// Keys, why, what to write instead.
type Row = (&'static str, &'static str, &'static str);

/// What begins with `Exec` and is not in another row.
const EXEC: Row = (
    "",
    "the commands of these units start and stop the containers",
    "write Exec= or Entrypoint= in [Container …], or a unit of your own with Before= or After=",
);

/// Keys that are refused for the pod alone.
const POD: &[Row] = &[
    (
        "Restart RestartSec RestartSteps RestartMaxDelaySec RestartMode RestartPreventExitStatus \
         RestartForceExitStatus SuccessExitStatus",
        "the pod is as alive as its members, which are restarted one by one",
        "write it in the [Service …] of the containers",
    ),
    (
        "TimeoutSec",
        "it would set two limits of different meaning",
        "write TimeoutStartSec= here and StopTimeout= in [Container …]",
    ),
    (
        "TimeoutAbortSec WatchdogSec WatchdogSignal",
        "podunit watches its own supervisor",
        "remove it",
    ),
    (
        "FileDescriptorStoreMax FileDescriptorStorePreserve RuntimeMaxSec RuntimeRandomizedExtraSec OOMPolicy",
        "it would meet podunit's supervisor, not the containers",
        "write it in the [Service …] of the containers",
    ),
];

/// Keys that are refused for pods and members.
const BOTH: &[Row] = &[
    (
        "Type ExitType NotifyAccess PIDFile GuessMainPID BusName RemainAfterExit USBFunctionDescriptors \
         USBFunctionStrings",
        "podunit tells systemd which process is the main one and when it is ready",
        "write Notify=true in [Container …] if the program itself says when it is ready",
    ),
    (
        "KillMode SendSIGHUP SendSIGKILL",
        "podunit stops the main process first, then all others",
        "remove it",
    ),
    (
        "KillSignal RestartKillSignal FinalKillSignal",
        "the container has its own",
        "write StopSignal= in [Container …]",
    ),
    (
        "ReloadSignal",
        "the container has its own",
        "write ReloadSignal= in [Container …]",
    ),
    (
        "TimeoutStopSec",
        "the container has its own",
        "write StopTimeout= in [Container …]",
    ),
    (
        "TimeoutSec",
        "it would set two limits of different meaning",
        "write TimeoutStartSec= and StopTimeout=",
    ),
    (
        "Delegate DelegateSubgroup Slice DisableControllers",
        "podunit places the containers in cgroups",
        "limits are fine: MemoryMax=, CPUQuota=, TasksMax= in [Service]",
    ),
    (
        "User Group SupplementaryGroups DynamicUser PAMName SetLoginEnvironment",
        "it would take from podunit the rights that it needs",
        "write User= and Group= in [Container …]",
    ),
    (
        "RootDirectory RootImage RootImageOptions RootImagePolicy RootEphemeral RootHash RootHashSignature RootVerity \
         RootMStack RootDirectoryStartOnly MountImages MountImagePolicy ExtensionImages ExtensionImagePolicy \
         ExtensionDirectories MountAPIVFS",
        "the root file system comes from the image",
        "write Image= or Rootfs= in [Container …]",
    ),
    (
        "BindPaths BindReadOnlyPaths BindLogSockets TemporaryFileSystem InaccessiblePaths ReadOnlyPaths ReadWritePaths \
         ExecPaths NoExecPaths MountFlags PrivateMounts PrivateTmp PrivateDevices",
        "it would meet podunit's own steps, not what runs in the container, which has its own file system",
        "write Volume=, Tmpfs= or ReadOnly= in [Container …]",
    ),
    (
        "ProtectSystem ProtectHome ProtectProc ProcSubset ProtectControlGroups ProtectKernelModules \
         ProtectKernelTunables ProtectKernelLogs ProtectClock ProtectHostname",
        "it would meet podunit's own steps; a container sees nothing of the host but its volumes",
        "remove it, or write ReadOnly=true in [Container …]",
    ),
    (
        "CapabilityBoundingSet AmbientCapabilities SecureBits",
        "it would take from podunit the rights that it needs",
        "write AddCapability= and DropCapability= in [Container …]",
    ),
    (
        "NoNewPrivileges RestrictSUIDSGID",
        "it would meet podunit's own steps, and is always on in containers",
        "remove it",
    ),
    (
        "SystemCallFilter SystemCallErrorNumber SystemCallArchitectures SystemCallLog RestrictNamespaces \
         RestrictAddressFamilies RestrictRealtime RestrictFileSystems LockPersonality MemoryDenyWriteExecute \
         Personality KeyringMode",
        "it would meet podunit's own steps, which need what it takes away",
        "remove it; containers run under a filter of system calls",
    ),
    (
        "SELinuxContext AppArmorProfile SmackProcessLabel",
        "it would meet podunit's own steps",
        "remove it; labels of containers are not supported by this version",
    ),
    (
        "PrivateNetwork NetworkNamespacePath PrivateIPC IPCNamespacePath PrivateUsers PrivatePIDs PrivateBPF \
         UserNamespacePath DelegateNamespaces",
        "the namespaces of a pod are made by podunit",
        "write Share= and Network= in [Pod]",
    ),
    (
        "StandardInput StandardInputText StandardInputData StandardOutput StandardError LogNamespace TTYPath TTYReset \
         TTYVHangup TTYColumns TTYRows TTYVTDisallocate",
        "the output of containers goes to the journal under the names of their units",
        "remove it",
    ),
    (
        "Sockets NonBlocking OpenFile",
        "descriptors do not reach the container in this version",
        "write PublishPort=",
    ),
    (
        "LoadCredential LoadCredentialEncrypted SetCredential SetCredentialEncrypted ImportCredential",
        "credentials do not reach the container in this version",
        "mount a file: Volume=/path/secret:/run/secrets/secret:ro",
    ),
    (
        "WorkingDirectory",
        "it would meet podunit's own steps",
        "write WorkingDir= in [Container …]",
    ),
    (
        "UMask",
        "it would meet podunit's own steps, which make files too",
        "remove it",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_the_units_is_refused() {
        for key in [
            "ExecStart",
            "ExecStopPost",
            "ExecPaths",
            "Type",
            "KillMode",
            "Delegate",
            "User",
            "PrivateTmp",
        ] {
            for owner in [Owner::Pod, Owner::Member] {
                let refusal = in_service(key, owner).unwrap();
                assert!(!refusal.why.is_empty() && !refusal.instead.is_empty(), "{key}");
            }
        }
        assert!(in_service("Restart", Owner::Pod).is_some());
        for fine in [
            "Restart",
            "MemoryMax",
            "LimitNOFILE",
            "OOMScoreAdjust",
            "TimeoutStartSec",
            "WatchdogSec",
        ] {
            assert_eq!(in_service(fine, Owner::Member), None, "{fine}");
        }
        assert!(without_effect("TimeoutStopSec", "70", Owner::Member).is_some());
        assert!(without_effect("KillMode", "mixed", Owner::Member).is_some());
        assert_eq!(without_effect("KillMode", "none", Owner::Member), None);
        assert_eq!(in_service("ExecSearchPath", Owner::Member).unwrap().why, EXEC.1);
        assert!(
            in_service("KillSignal", Owner::Member)
                .unwrap()
                .instead
                .contains("StopSignal=")
        );
    }
}
