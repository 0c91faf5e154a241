/**
 * Names and types of the parameters that SLURM 24.11 knows, read from the parse tables of Debian 13's 24.11.5 (the
 * library that slurmctld parses its files with). `slurmctld` ends with a fatal error at a name that is not here.
 */

export type ParameterType = "text" | "uint16" | "uint32" | "uint64" | "boolean";

/** A parameter that SLURM knows. */
export interface Parameter {
  /** SLURM's own spelling. */
  name: string;
  type: ParameterType;
}

/** Version that the tables belong to. */
export const SLURM_VERSION = "24.11";

type Table = Partial<Record<ParameterType, string>>;

const SLURM_CONF: Table = {
  text: `
      AccountingStorageBackupHost AccountingStorageEnforce AccountingStorageExternalHost
      AccountingStorageHost AccountingStorageLoc AccountingStorageParameters AccountingStoragePass
      AccountingStorageTRES AccountingStorageType AccountingStorageUser AccountingStoreFlags
      AcctGatherEnergyType AcctGatherFilesystemType AcctGatherInfinibandType
      AcctGatherInterconnectType AcctGatherProfileType AuthAltParameters AuthAltTypes AuthInfo
      AuthType BackupAddr BackupController BcastExclude BcastParameters BurstBufferParameters
      BurstBufferType CertmgrParameters CertmgrType CliFilterPlugins ClusterName
      CommunicationParameters ControlAddr ControlMachine CoreSpecPlugin CpuFreqDef CpuFreqGovernors
      CredType CryptoType DataParserParameters DebugFlags DependencyParameters EnforcePartLimits
      Epilog EpilogSlurmctld ExtSensorsType FederationParameters GpuFreqDef GresTypes HashPlugin
      HealthCheckNodeState HealthCheckProgram InteractiveStepOptions JobAcctGatherFrequency
      JobAcctGatherParams JobAcctGatherType JobCompHost JobCompLoc JobCompParams JobCompPass
      JobCompType JobCompUser JobContainerType JobCredentialPrivateKey
      JobCredentialPublicCertificate JobSubmitPlugins LaunchParameters LaunchType Licenses
      LogTimeFormat MailDomain MailProg MCSParameters MCSPlugin MpiDefault MpiParams
      NodeFeaturesPlugins PluginDir PlugStackConfig PowerParameters PowerPlugin PreemptExemptTime
      PreemptMode PreemptParameters PreemptType PrEpParameters PrEpPlugins PriorityCalcPeriod
      PriorityDecayHalfLife PriorityFlags PriorityMaxAge PriorityParameters
      PrioritySiteFactorParameters PrioritySiteFactorPlugin PriorityType PriorityUsageResetPeriod
      PriorityWeightTRES PrivateData ProctrackType Prolog PrologFlags PrologSlurmctld
      PropagateResourceLimits PropagateResourceLimitsExcept RebootProgram ReconfigFlags RequeueExit
      RequeueExitHold ResumeFailProgram ResumeProgram ResvEpilog ResvProlog RoutePlugin
      SallocDefaultCommand SbcastParameters SchedulerParameters SchedulerType ScronParameters
      SelectType SelectTypeParameters SlurmctldAddr SlurmctldDebug SlurmctldLogFile
      SlurmctldParameters SlurmctldPidFile SlurmctldPort SlurmctldPrimaryOffProg
      SlurmctldPrimaryOnProg SlurmctldSyslogDebug SlurmdDebug SlurmdLogFile SlurmdParameters
      SlurmdPidFile SlurmdSpoolDir SlurmdSyslogDebug SlurmdUser SlurmSchedLogFile SlurmUser
      SrunEpilog SrunPortRange SrunProlog StateSaveLocation SuspendExcNodes SuspendExcParts
      SuspendExcStates SuspendProgram SuspendTime SwitchParameters SwitchType TaskEpilog TaskPlugin
      TaskPluginParam TaskProlog TLSParameters TLSType TmpFS TopologyParam TopologyPlugin
      UnkillableStepProgram X11Parameters`,
  uint16: `
      AccountingStoragePort AcctGatherNodeFreq BatchStartTimeout CompleteWait EioTimeout
      ExtSensorsFreq FairShareDampeningFactor FastSchedule GetEnvTimeout GroupUpdateForce
      GroupUpdateTime HealthCheckInterval InactiveLimit JobFileAppend JobRequeue KillOnBadExit
      KillWait MaxTasksPerNode MessageTimeout OverTimeLimit PrologEpilogTimeout PropagatePrioProcess
      ResumeRate ResumeTimeout ResvOverRun ReturnToService SchedulerTimeSlice SlurmctldTimeout
      SlurmdTimeout SlurmSchedLogLevel SuspendRate SuspendTimeout TCPTimeout TreeWidth
      UnkillableStepTimeout VSizeFactor WaitTime`,
  uint32: `
      EpilogMsgTime FirstJobId JobCompPort KeepAliveTime MaxArraySize MaxBatchRequeue MaxDBDMsgs
      MaxJobCount MaxJobId MaxNodeCount MaxStepCount MinJobAge PriorityWeightAge PriorityWeightAssoc
      PriorityWeightFairshare PriorityWeightJobSize PriorityWeightPartition PriorityWeightQOS
      SlurmdPort`,
  uint64: `
      DefCPUPerGPU DefMemPerCPU DefMemPerGPU DefMemPerNode MaxMemPerCPU MaxMemPerNode`,
  boolean: `
      AccountingStoreJobComment AllowSpecResourcesUsage DisableRootJobs PriorityFavorSmall
      TrackWCKey UsePAM`,
};

const NODE_LINE: Table = {
  text: `
      BcastAddr CpuBind CPUSpecList Feature Features Gres NodeAddr NodeHostname Port Reason State
      TRESWeights`,
  uint16: `
      Boards CoreSpecCount CoresPerSocket CPUs Procs RestrictedCoresPerGPU Sockets SocketsPerBoard
      ThreadsPerCore`,
  uint32: `
      TmpDisk Weight`,
  uint64: `
      MemSpecLimit RealMemory`,
};

const PARTITION_LINE: Table = {
  text: `
      AllocNodes AllowAccounts AllowGroups AllowQos Alternate CpuBind DefaultTime DenyAccounts
      DenyQos MaxTime Nodes OverSubscribe OverTimeLimit PreemptMode QOS SelectTypeParameters Shared
      State SuspendTime TRESBillingWeights`,
  uint16: `
      Priority PriorityJobFactor PriorityTier ResumeTimeout SuspendTimeout`,
  uint32: `
      GraceTime MaxCPUsPerNode MaxCPUsPerSocket MaxNodes MinNodes`,
  uint64: `
      DefCPUPerGPU DefMemPerCPU DefMemPerGPU DefMemPerNode MaxMemPerCPU MaxMemPerNode`,
  boolean: `
      Default DisableRootJobs ExclusiveTopo ExclusiveUser Hidden LLN PowerDownOnIdle ReqResv
      RootOnly`,
};

const CGROUP_CONF: Table = {
  text: `
      AllowedDevicesFile AllowedRAMSpace AllowedSwapSpace CgroupMountpoint CgroupPlugin
      CgroupReleaseAgentDir MaxRAMPercent MaxSwapPercent MemoryLimitThreshold`,
  uint64: `
      MemorySwappiness MinRAMSpace SystemdTimeout`,
  boolean: `
      CgroupAutomount ConstrainCores ConstrainDevices ConstrainRAMSpace ConstrainSwapSpace
      EnableControllers IgnoreSystemd IgnoreSystemdOnFailure MemoryLimitEnforcement
      SignalChildrenProcesses`,
};

const GRES_LINE: Table = {
  text: `
      AutoDetect Cores Count CPUs File Files Flags Link Links MultipleFiles Name NodeName Type`,
};

function byLowerCase(table: Table): ReadonlyMap<string, Parameter> {
  const types: ParameterType[] = ["text", "uint16", "uint32", "uint64", "boolean"];
  const entries = types.flatMap((type) =>
    (table[type] ?? "")
      .split(/\s+/)
      .filter((name) => name !== "")
      .map((name): [string, Parameter] => [name.toLowerCase(), { name, type }]),
  );
  return new Map(entries);
}

/** By lower-case name, because SLURM does not tell cases apart. */
export const slurmConfParameters = byLowerCase(SLURM_CONF);
/** Parameters of a node line. */
export const nodeParameters = byLowerCase(NODE_LINE);
/** Parameters of a partition line. */
export const partitionParameters = byLowerCase(PARTITION_LINE);
/** Parameters of cgroup.conf. */
export const cgroupParameters = byLowerCase(CGROUP_CONF);
/** Parameters of gres.conf. */
export const gresParameters = byLowerCase(GRES_LINE);

/** First words of lines that describe an object and not one parameter. */
export const lineParameters: readonly string[] = [
  "NodeName",
  "PartitionName",
  "DownNodes",
  "FrontendName",
  "NodeSet",
  "SlurmctldHost",
  "Include",
];

/** Still parsed, without any effect. `slurmctld` writes an error line and goes on. */
export const defunctParameters: readonly string[] = [
  "CgroupAutomount",
  "CoreSpecPlugin",
  "ExtSensorsFreq",
  "ExtSensorsType",
  "JobCredentialPrivateKey",
  "JobCredentialPublicCertificate",
  "PowerParameters",
  "PowerPlugin",
];

/** Old names that still parse, and their successors. */
export const legacyParameters: Readonly<Record<string, string>> = {
  ControlMachine: "SlurmctldHost",
  ControlAddr: "SlurmctldHost",
  BackupController: "SlurmctldHost",
  BackupAddr: "SlurmctldHost",
  CryptoType: "CredType",
  Procs: "CPUs",
};
