package org.vmckpt.core;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;

/**
 * What a checkpoint consists of: how to start the guest again, and which segments hold its device
 * state, memory and disks.
 *
 * @param name a label given by the user; need not be unique
 * @param engine how memory was captured: {@code uffd}, {@code background} or {@code pause}
 * @param statistics measured while the checkpoint was taken, for people; keys end in their unit
 * @param series which run of continuous checkpoints it belongs to; only what has one is ever
 *     removed by retention
 * @param parent the checkpoint whose state the guest went on from: its own one before, or that from
 *     which it was restored; empty for the first, and when that is not known
 * @param domainXml libvirt's definition of the guest at that instant, if it was a domain of libvirt
 */
public record Manifest(
        CheckpointId id,
        Optional<String> name,
        Instant createdAt,
        String engine,
        GuestDefinition guest,
        DeviceState devices,
        List<MemoryBlock> memory,
        List<DiskState> disks,
        Map<String, Long> statistics,
        @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<String> series,
        @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<CheckpointId> parent,
        @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<String> domainXml) {

    public Manifest {
        memory = List.copyOf(memory);
        disks = List.copyOf(disks);
        statistics = Map.copyOf(statistics);
    }

    /** A checkpoint that was taken by itself. */
    public Manifest(
            CheckpointId id,
            Optional<String> name,
            Instant createdAt,
            String engine,
            GuestDefinition guest,
            DeviceState devices,
            List<MemoryBlock> memory,
            List<DiskState> disks,
            Map<String, Long> statistics) {
        this(
                id,
                name,
                createdAt,
                engine,
                guest,
                devices,
                memory,
                disks,
                statistics,
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
    }

    /** The same checkpoint as part of a series. */
    public Manifest inSeries(String name) {
        return with(memory, disks, Optional.of(name), parent, domainXml);
    }

    /** The same checkpoint of a guest that went on from another one. */
    public Manifest after(Optional<CheckpointId> before) {
        return with(memory, disks, series, before, domainXml);
    }

    /** The same checkpoint of a domain of libvirt. */
    public Manifest ofDomain(Optional<String> xml) {
        return with(memory, disks, series, parent, xml);
    }

    /** The same checkpoint, of which other segments hold the same memory and disks. */
    public Manifest withLayers(UnaryOperator<List<SegmentName>> replacement) {
        return with(
                memory.stream().map(block -> block.withLayers(replacement)).toList(),
                disks.stream().map(disk -> disk.withLayers(replacement)).toList(),
                series,
                parent,
                domainXml);
    }

    private Manifest with(
            List<MemoryBlock> memory,
            List<DiskState> disks,
            Optional<String> series,
            Optional<CheckpointId> parent,
            Optional<String> domainXml) {
        return new Manifest(
                id,
                name,
                createdAt,
                engine,
                guest,
                devices,
                memory,
                disks,
                statistics,
                series,
                parent,
                domainXml);
    }

    /** Every segment that must be present for this checkpoint to restore. */
    public Set<SegmentName> segments() {
        Set<SegmentName> names = new TreeSet<>();
        names.add(devices.segment());
        memory.forEach(block -> names.addAll(block.layers()));
        disks.forEach(disk -> names.addAll(disk.layers()));
        return names;
    }

    /** The size of guest memory, populated or not. */
    public long memoryBytes() {
        return memory.stream().mapToLong(MemoryBlock::sizeBytes).sum();
    }

    /**
     * Enough to start an equal QEMU.
     *
     * @param name from {@code -name}, or {@code guest}
     * @param qemuVersion as QEMU reports it, for example {@code 7.2.22}
     * @param qemuPackage the packager's version string, may be empty
     * @param binary absolute path of the QEMU binary
     * @param arguments argv after the binary's name
     * @param workingDirectory what relative paths in {@code arguments} refer to
     * @param machineType versioned machine type, for example {@code pc-i440fx-7.2}
     * @param accelerator {@code tcg} or {@code kvm}
     * @param hostCpuFlags of the host that the guest ran on; compared on restore under KVM
     * @param qmpPath the QMP socket that was used to take the checkpoint, or {@code libvirt:} and
     *     the UUID of a domain
     * @param vcpuCount number of virtual CPUs
     * @param running whether the guest ran when the checkpoint was taken
     */
    public record GuestDefinition(
            String name,
            String uuid,
            String qemuVersion,
            String qemuPackage,
            String binary,
            List<String> arguments,
            String workingDirectory,
            String machineType,
            String accelerator,
            List<String> hostCpuFlags,
            String qmpPath,
            int vcpuCount,
            boolean running) {

        public GuestDefinition {
            arguments = List.copyOf(arguments);
            hostCpuFlags = List.copyOf(hostCpuFlags);
        }

        /** The same guest, known by another path. */
        public GuestDefinition reachedBy(String path) {
            return new GuestDefinition(
                    name,
                    uuid,
                    qemuVersion,
                    qemuPackage,
                    binary,
                    arguments,
                    workingDirectory,
                    machineType,
                    accelerator,
                    hostCpuFlags,
                    path,
                    vcpuCount,
                    running);
        }

        /** Two forks of one guest have its UUID both, but not its monitor's socket. */
        public boolean isSameGuest(GuestDefinition other) {
            return name.equals(other.name)
                    && uuid.equals(other.uuid)
                    && qmpPath.equals(other.qmpPath);
        }
    }

    /** QEMU's migration stream without guest memory: every device, ROM and small RAM block. */
    public record DeviceState(SegmentName segment, long sizeBytes) {}

    /**
     * One block of guest memory.
     *
     * @param id the name of its RAM block, as a rule that of the memory backend: {@code mem0}
     * @param layers oldest first; a page is what the last layer that has it says, or zeros
     */
    public record MemoryBlock(
            String id, long sizeBytes, int pageSizeBytes, List<SegmentName> layers) {
        public MemoryBlock {
            layers = List.copyOf(layers);
        }

        private MemoryBlock withLayers(UnaryOperator<List<SegmentName>> replacement) {
            return new MemoryBlock(id, sizeBytes, pageSizeBytes, replacement.apply(layers));
        }
    }

    /**
     * One writable disk.
     *
     * @param device QEMU's name of the drive, or the path of the device that uses it
     * @param argumentPath the file that the guest's arguments name for this disk
     * @param format of the image that the arguments name: {@code raw} or {@code qcow2}
     * @param layers oldest first; a block is what the last layer that has it says, or zeros
     */
    public record DiskState(
            String device,
            String nodeName,
            String argumentPath,
            String format,
            long virtualSizeBytes,
            List<SegmentName> layers) {
        public DiskState {
            layers = List.copyOf(layers);
        }

        private DiskState withLayers(UnaryOperator<List<SegmentName>> replacement) {
            return new DiskState(
                    device,
                    nodeName,
                    argumentPath,
                    format,
                    virtualSizeBytes,
                    replacement.apply(layers));
        }
    }
}
