/** The entry point `holdfast/file`: a store of one file per record. */
export { fileStore, type FileStoreOptions } from "./stores/file/store.ts";
