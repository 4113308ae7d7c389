package org.vmckpt.testvm;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** The direction of dependencies: cli, agent -> cow -> core, and never back. */
final class LayeringTest {
    private static final JavaClasses PRODUCT =
            new ClassFileImporter()
                    .withImportOption(new ImportOption.DoNotIncludeTests())
                    .withImportOption(location -> !location.contains("-tests.jar"))
                    .importPackages("org.vmckpt");

    @Test
    void everyModuleWasImported() {
        for (String module : new String[] {"core", "cow", "agent", "cli", "testvm"}) {
            assertThat(PRODUCT.stream().map(it -> it.getPackageName()))
                    .anyMatch(name -> name.startsWith("org.vmckpt." + module));
        }
    }

    @Test
    void modulesDependDownwardsOnly() {
        layeredArchitecture()
                .consideringOnlyDependenciesInAnyPackage("org.vmckpt..")
                .layer("core")
                .definedBy("org.vmckpt.core..")
                .layer("cow")
                .definedBy("org.vmckpt.cow..")
                .layer("cli")
                .definedBy("org.vmckpt.cli..")
                .layer("agent client")
                .definedBy("org.vmckpt.agent.client..")
                .layer("agent")
                .definedBy(
                        "org.vmckpt.agent.api..",
                        "org.vmckpt.agent.config..",
                        "org.vmckpt.agent.guest..",
                        "org.vmckpt.agent.job..",
                        "org.vmckpt.agent.metrics..",
                        "org.vmckpt.agent.schedule..",
                        "org.vmckpt.agent.service..",
                        "org.vmckpt.agent.volume..")
                .layer("testvm")
                .definedBy("org.vmckpt.testvm..")
                .whereLayer("testvm")
                .mayNotBeAccessedByAnyLayer()
                .whereLayer("cli")
                .mayOnlyBeAccessedByLayers("testvm")
                .whereLayer("agent")
                .mayNotBeAccessedByAnyLayer()
                .whereLayer("agent client")
                .mayOnlyBeAccessedByLayers("cli", "testvm")
                .whereLayer("cow")
                .mayOnlyBeAccessedByLayers("cli", "agent", "agent client", "testvm")
                .check(PRODUCT);
    }

    @Test
    void onlyTheLinuxPackageTouchesForeignFunctions() {
        noClasses()
                .that()
                .resideOutsideOfPackage("org.vmckpt.cow.linux..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("java.lang.foreign..")
                .check(PRODUCT);
    }

    @Test
    void theGuardDependsOnTheJdkAlone() {
        classes()
                .that()
                .haveSimpleName("GuardMain")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("java..", "org.jspecify..", "org.vmckpt.cow.guard..")
                .check(PRODUCT);
    }
}
