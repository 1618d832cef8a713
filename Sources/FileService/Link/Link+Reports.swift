import DFSProtocol

// What is told: inventories, changes, and what became of orders.
extension Link {
    /// Sends the next thing that is to be told, one at a time.
    ///
    /// DONE does not wait for the first load, which can be the scan of a million files. What it has
    /// passed is loaded anew: a REPORT never takes back what DONE has told. That load it waits for,
    /// so that orders without end do not keep everything else from being told.
    mutating func pump(at now: MonotonicTime) -> [LinkAction] {
        guard phase == .registered, !isReporting, !isTelling, pauseEnds == nil else { return [] }
        let isFirstLoad = inventory.map { $0.after == nil } ?? false
        if !isLoading || isFirstLoad && !isLoadedAnew,
            let index = finishedOrders.firstIndex(where: isTold)
        {
            let finished = finishedOrders.remove(at: index)
            isTelling = true
            isOutdated = isLoading
            return [send(.done(order: finished.number, error: finished.error))]
        }
        if isLoading { return [] }
        if let inventory {
            isLoading = true
            return [.load(.inventory(after: inventory.after), session: session)]
        }
        if let acknowledged, acknowledged < newest {
            isLoading = true
            return [.load(.changes(after: acknowledged), session: session)]
        }
        backoff.reset()
        var actions: [LinkAction] = []
        if !wasCaughtUp {
            wasCaughtUp = true
            actions.append(.caughtUp)
        }
        if isStopping, finishedOrders.isEmpty {
            actions += leave(now)
        }
        return actions
    }

    /// Whether the name server knows what an order changed.
    ///
    /// While an inventory runs it need not: the order can not wait for thousands of other files,
    /// and the changes follow the inventory.
    private func isTold(_ finished: FinishedOrder) -> Bool {
        inventory != nil || finished.error != nil || finished.generation <= (acknowledged ?? 0)
    }

    mutating func loaded(
        _ result: Result<ReportBatch?, RequestError>, _ now: MonotonicTime
    ) -> [LinkAction] {
        isLoading = false
        if isOutdated {
            isOutdated = false
            isLoadedAnew = true
            return pump(at: now)
        }
        isLoadedAnew = false
        switch result {
        case .failure(let error):
            pauseEnds = now.advanced(milliseconds: backoff.next())
            return [.note("the exports could not be read: \(error.advice)")]
        case .success(nil):
            inventory = Inventory()
            return [.note("the history of changes is too short; telling everything")]
                + pump(at: now)
        case .success(let batch?):
            if batch.count == 0, case .changes = batch.cut {
                // The store shows nothing more yet; it tells when it does.
                newest = acknowledged ?? newest
                return pump(at: now)
            }
            if case .inventory(after: nil) = batch.cut { inventory?.baseline = batch.generation }
            isReporting = true
            return [send(.report(batch, generation: wireGeneration(of: batch)))]
        }
    }

    mutating func reported(_ batch: ReportBatch, _ now: MonotonicTime) -> [LinkAction] {
        isReporting = false
        var actions: [LinkAction] = []
        switch batch.cut {
        case .inventory:
            if let next = batch.next {
                inventory?.after = next
            } else if let baseline = inventory?.baseline {
                inventory = nil
                acknowledged = baseline
                actions.append(.acknowledged(baseline))
            }
        case .changes:
            if let generation = batch.generation {
                acknowledged = generation
                actions.append(.acknowledged(generation))
            }
        }
        return actions + pump(at: now)
    }

    /// The generation that a batch carries on the wire; the end of an inventory has its baseline.
    private func wireGeneration(of batch: ReportBatch) -> Int64? {
        switch batch.cut {
        case .changes: batch.generation
        case .inventory: batch.next == nil ? inventory?.baseline : nil
        }
    }

    mutating func noticed(_ line: ReplyLine, _ now: MonotonicTime) -> [LinkAction] {
        do throws(RequestError) {
            let order = try NameServerOrder(line)
            // Given again, it is under way, or its DONE is: done late, it could undo what followed.
            return orders.isNew(order.number) ? [.perform(order, session: session)] : []
        } catch {
            // An order that can not even be named gets no answer; the name server stops waiting by
            // itself.
            guard let number = try? line.number("op") else {
                return [.note("the name server sent a notice that is none: \(error.advice)")]
            }
            finish(number, error.code, 0)
            return pump(at: now)
        }
    }

    /// Keeps what became of an order until DONE can be sent.
    mutating func finish(_ number: Int64, _ error: ErrorCode?, _ generation: Int64) {
        guard phase == .registering || phase == .registered else { return }
        finishedOrders.append(
            FinishedOrder(number: number, error: error, generation: generation))
    }
}
