// contracts.mjs: the compiler behind contracts.sh. Standard JSON in, one artifact per contract out: abi, bytecode, runtime bytecode.
//   node contracts.mjs SOLC_FOLDER SOURCE_FOLDER OUTPUT_FOLDER CONTRACT...
// Nothing of this machine goes into the output: sources have plain names and the metadata hash is left out.
import { createRequire } from "node:module";
import { readdirSync, readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";

const [modules, sources, output, ...wanted] = process.argv.slice(2);
const solc = createRequire(join(modules, "package.json"))("solc");
const input = {
  language: "Solidity",
  sources: Object.fromEntries(readdirSync(sources).filter(n => n.endsWith(".sol")).sort()
    .map(n => [n, { content: readFileSync(join(sources, n), "utf8") }])),
  settings: {
    evmVersion: "paris",
    optimizer: { enabled: true, runs: 200 },
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
  },
};
const result = JSON.parse(solc.compile(JSON.stringify(input)));
const notes = result.errors ?? [];
for (const note of notes) console.error(note.formattedMessage);
if (notes.length > 0) process.exit(1);                                   // warnings are errors here, too

mkdirSync(output, { recursive: true });
const limit = 24576;                                                     // of deployed code, EIP-170
for (const name of wanted) {
  const contract = result.contracts[name + ".sol"][name];
  const runtime = contract.evm.deployedBytecode.object;
  if (runtime.length / 2 > limit) { console.error(`${name}: ${runtime.length / 2} bytes of code, more than ${limit}`); process.exit(1); }
  writeFileSync(join(output, name + ".json"), JSON.stringify({
    contract: name, compiler: solc.version(), evmVersion: input.settings.evmVersion, optimizerRuns: input.settings.optimizer.runs,
    abi: contract.abi, bytecode: "0x" + contract.evm.bytecode.object, runtimeBytecode: "0x" + runtime,
  }, null, 1) + "\n");
  console.log(`${name}: ${runtime.length / 2} bytes of code`);
}
