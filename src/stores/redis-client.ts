/** The part of an ioredis client that sends any command. */

/** An argument of a command. */
export type RedisArgument = string | number;

/** Commands that are sent together and run without others in between. */
export interface RedisBatch {
  call(command: string, ...args: RedisArgument[]): RedisBatch;
  exec(): Promise<[error: Error | null, reply: unknown][] | null>;
}

/** An ioredis client, or anything that offers this much of one. */
export interface RedisClient {
  call(command: string, ...args: RedisArgument[]): Promise<unknown>;
  multi(): RedisBatch;
  readonly options?: {
    readonly keyPrefix?: string | undefined;
    readonly stringNumbers?: boolean | undefined;
  };
  on(event: "error", listener: (error: unknown) => void): unknown;
  disconnect(): void;
}
