// Ends the process on a Node that cannot run Conclave. Imported first, and in a syntax that older versions understand.
const OLDEST = 20;

if (Number(process.versions.node.split('.')[0]) < OLDEST) {
  console.error(
    `Conclave needs Node ${OLDEST} or newer, and this is ${process.versions.node}. See https://nodejs.org/en/download.`,
  );
  process.exit(1);
}
