//! Which keys of `[Service]` limit resources (systemd.resource-control(5)). In a pod's definition they mean the pod
//! as a whole, so they belong to its slice.

/// The keys, sorted. `Delegate=` and `Slice=` are not among them: a slice has neither.
const KEYS: [&str; 65] = [
    "AllowedCPUs",
    "AllowedMemoryNodes",
    "BPFProgram",
    "BlockIOAccounting",
    "BlockIODeviceWeight",
    "BlockIOReadBandwidth",
    "BlockIOWeight",
    "BlockIOWriteBandwidth",
    "CPUAccounting",
    "CPUQuota",
    "CPUQuotaPeriodSec",
    "CPUShares",
    "CPUWeight",
    "DefaultMemoryLow",
    "DefaultMemoryMin",
    "DefaultStartupMemoryLow",
    "DeviceAllow",
    "DevicePolicy",
    "DisableControllers",
    "IOAccounting",
    "IODeviceLatencyTargetSec",
    "IODeviceWeight",
    "IOReadBandwidthMax",
    "IOReadIOPSMax",
    "IOWeight",
    "IOWriteBandwidthMax",
    "IOWriteIOPSMax",
    "IPAccounting",
    "IPAddressAllow",
    "IPAddressDeny",
    "IPEgressFilterPath",
    "IPIngressFilterPath",
    "ManagedOOMMemoryPressure",
    "ManagedOOMMemoryPressureDurationSec",
    "ManagedOOMMemoryPressureLimit",
    "ManagedOOMPreference",
    "ManagedOOMSwap",
    "MemoryAccounting",
    "MemoryHigh",
    "MemoryLimit",
    "MemoryLow",
    "MemoryMax",
    "MemoryMin",
    "MemoryPressureThresholdSec",
    "MemoryPressureWatch",
    "MemorySwapMax",
    "MemoryZSwapMax",
    "MemoryZSwapWriteback",
    "NFTSet",
    "RestrictNetworkInterfaces",
    "SocketBindAllow",
    "SocketBindDeny",
    "StartupAllowedCPUs",
    "StartupAllowedMemoryNodes",
    "StartupBlockIOWeight",
    "StartupCPUShares",
    "StartupCPUWeight",
    "StartupIOWeight",
    "StartupMemoryHigh",
    "StartupMemoryLow",
    "StartupMemoryMax",
    "StartupMemorySwapMax",
    "StartupMemoryZSwapMax",
    "TasksAccounting",
    "TasksMax",
];

/// Whether `key` limits resources.
pub(super) fn is_resource(key: &str) -> bool {
    KEYS.binary_search(&key).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(KEYS.is_sorted());
    }

    #[test]
    fn keys_of_execution_stay_with_the_service() {
        assert!(is_resource("MemoryMax") && is_resource("CPUQuota"));
        for key in [
            "CPUAffinity",
            "CPUSchedulingPolicy",
            "IOSchedulingClass",
            "Environment",
            "MemoryKSM",
        ] {
            assert!(!is_resource(key), "{key}");
        }
    }
}
